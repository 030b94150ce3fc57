"""The intake as one container: whose the books are is said when it starts, and it says itself how it is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from sandbox.audiobooks.shelf import stock
from sandbox.docker import docker, inspect
from sandbox.images import INPUTS
from sandbox.settings import AUDIOBOOKS_BASE_IMAGE, LABEL, ROOT, Settings

pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("machines")]
SETTINGS = Settings.load()
IMAGE = "medialift-audiobooks:test"
CONTAINERS = ROOT / "containers/audiobooks"
DATABASE = "medialift-audiobooks-test-database"
SERVICE = "medialift-audiobooks-test"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Built as its Containerfile says, on the sandbox's Debian in place of Docker Hub's."""
    context = tmp_path_factory.mktemp("context")
    for name in ("src", "requirements", "containers"):
        shutil.copytree(ROOT / name, context / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", ".dockerignore"):
        shutil.copy(ROOT / name, context / name)
    docker(
        *("build", "--quiet", "--network", "host", "--tag", IMAGE, "--label", f"{INPUTS}=test"),
        *("--build-arg", f"BASE={AUDIOBOOKS_BASE_IMAGE}"),
        *("--file", str(context / "containers/audiobooks/Containerfile"), str(context)),
        timeout=600,
    )
    return IMAGE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of this host with a spoken book in its inbox, that anybody may write."""
    stock(tmp_path / "books/inbox", ["cbr"], local=True, seconds=2.0)
    for path in [tmp_path, *tmp_path.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    return tmp_path / "books"


def ran(
    image: str, *words: str, folder: Path | None = None, **given: object
) -> subprocess.CompletedProcess[str]:
    """`docker run` to its end, with environment variables."""
    return subprocess.run(
        [
            *("docker", "run", "--rm", "--label", f"{LABEL}=test"),
            *(part for name, value in given.items() for part in ("--env", f"{name}={value}")),
            *(("--volume", f"{folder}:/audiobooks") if folder else ()),
            image,
            *words,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(("user", "group"), [(1000, 1000), (1026, 100), (5000, 5001)])
def test_books_belong_to_whom_the_start_says_and_no_image_is_built_anew(
    image: str, folder: Path, user: int, group: int
) -> None:
    done = ran(image, "convert", "/audiobooks/inbox", folder=folder, PUID=user, PGID=group, UMASK="0027")
    assert done.returncode == 0, done.stdout + done.stderr
    (book,) = (folder / "converted").rglob("*.m4b")
    for path, mode in ((book, 0o640), (book.parent, 0o750)):
        found = path.stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (user, group, mode), path


@pytest.mark.parametrize("given", [{"PUID": "abc"}, {"PGID": "-1"}])
def test_a_user_that_is_no_number_is_refused_in_words(image: str, given: dict[str, str]) -> None:
    done = ran(image, "validate", **given)
    assert done.returncode == 2 and "PUID and PGID are numbers" in done.stderr


@pytest.fixture
def service(image: str, folder: Path) -> Iterator[Callable[[], str]]:
    """A ledger and the service beside it; service() -> what the engine thinks of its health."""
    remove()
    docker(
        *("run", "--detach", "--name", DATABASE, "--label", f"{LABEL}=test"),
        *("--env", "POSTGRES_USER=medialift", "--env", "POSTGRES_PASSWORD=ledger"),
        *("--env", "POSTGRES_DB=medialift", "medialift/postgres:15"),
    )
    try:
        address = (inspect("container", DATABASE) or {})["NetworkSettings"]["IPAddress"]
        docker(
            *("run", "--detach", "--name", SERVICE, "--label", f"{LABEL}=test"),
            *("--health-interval", "1s", "--health-retries", "2", "--health-start-period", "30s"),
            *("--env", "PUID=1026", "--env", "PGID=100"),
            *("--env", f"MEDIALIFT_DATABASE__URL=postgresql://medialift:ledger@{address}/medialift"),
            # The names that auto-m4b had, and ours.
            *("--env", "WAIT_TIME=1", "--env", "SLEEP_TIME=1"),
            *("--env", 'MEDIALIFT_AUDIOBOOKS__TAGGING__PROVIDERS=["metadata_yml"]'),
            *("--env", 'MEDIALIFT_AUDIOBOOKS__DESTINATIONS={"library": {"path": "/audiobooks/library"}}'),
            *("--volume", f"{folder}:/audiobooks", image),
        )
        yield lambda: (inspect("container", SERVICE) or {})["State"]["Health"]["Status"]
    finally:
        remove()


def remove() -> None:
    for name in (SERVICE, DATABASE):
        if inspect("container", name) is not None:
            docker("rm", "--force", "--volumes", name)


def comes(wanted: Callable[[], object], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if wanted():
            return True
        time.sleep(0.3)
    return bool(wanted())


def test_a_book_goes_through_and_the_container_says_that_it_is_well_until_its_ledger_is_away(
    service: Callable[[], str], folder: Path
) -> None:
    (folder / "library").mkdir(mode=0o777)
    (folder / "library").chmod(0o777)
    assert comes(lambda: service() == "healthy"), docker("logs", SERVICE)
    assert comes(lambda: [*(folder / "library").rglob("*.m4b")]), docker("logs", SERVICE)
    (book,) = (folder / "library").rglob("*.m4b")
    assert (book.stat().st_uid, book.stat().st_gid) == (1026, 100)
    docker("kill", DATABASE)
    assert comes(lambda: service() == "unhealthy"), docker("logs", SERVICE)
    log = (inspect("container", SERVICE) or {})["State"]["Health"]["Log"]
    assert "database" in log[-1]["Output"].lower()


def test_the_base_is_pinned_and_nothing_is_bound_to_one_architecture() -> None:
    text = (CONTAINERS / "Containerfile").read_text()
    assert re.search(r"^ARG BASE=debian:bookworm-\d{8}-slim$", text, re.M)
    code = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert not re.search(r"amd64|x86_64|arm64|aarch64", code)


def test_compose_needs_no_value_that_the_example_does_not_name() -> None:
    text = (CONTAINERS / "compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    assert all(re.search(r":\d", one["image"]) or "build" in one for one in services.values())
    named = {
        line.lstrip("# ").split("=", 1)[0]
        for line in (CONTAINERS / ".env.example").read_text().splitlines()
        if "=" in line
    }
    assert set(re.findall(r"\$\{([A-Z_]+)", text)) <= named


def test_the_example_s_settings_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from medialift import settings

    given = dict(
        line.split("=", 1)
        for line in (CONTAINERS / ".env.example").read_text().splitlines()
        if line.startswith("MEDIALIFT_")
    )
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    books = settings.load(CONTAINERS / "medialift.toml").settings.audiobooks
    assert books.destinations["library"].path == "/library"
    assert json.loads(given["MEDIALIFT_AUDIOBOOKS__DESTINATIONS"])
    assert str(books.inbox) == "/audiobooks/inbox"

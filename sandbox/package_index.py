"""The package index: every wheel a machine installs, fetched once and served as a simple index (PEP 503).

A role needs an index URL and nothing else; the lock files' hashes hold for these very files, since they are
the files that PyPI has, not wheels built here.
"""

from __future__ import annotations

import hashlib
import html
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from medialift.errors import Permanent

from .services import Service, answers
from .settings import PACKAGE_INDEX_PORT, PYTHON, Settings

LOCKS = ("requirements/runtime.txt", "requirements/index.txt", "requirements/beets.txt")


def folder(settings: Settings) -> Path:
    """What is served: `simple/<name>/index.html` and `files/`."""
    return settings.state / "packages"


def service(settings: Settings) -> Service:
    """A plain file server."""
    return Service(
        name="package-index",
        argv=(
            *(PYTHON, "-m", "http.server", str(PACKAGE_INDEX_PORT), "--bind", settings.gateway),
            *("--directory", str(folder(settings))),
        ),
        healthy=answers(settings.package_index_url),
    )


def build(settings: Settings, say: Callable[[str], None]) -> None:
    """Fetch what the lock files name, unless that is done; files that are there are not fetched again.

    Raises:
        Permanent: a package cannot be had, has another hash, or has no wheel.
    """
    locks = [settings.root / lock for lock in LOCKS]
    wanted = hashlib.sha256(b"\0".join(lock.read_bytes() for lock in locks)).hexdigest()
    target = folder(settings)
    stamp = target / "stamp"
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    began = time.monotonic()
    files = target / "files"
    files.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    for lock in locks:  # apart from each other: they may hold different versions of one package
        _download(lock, files)
    _write_pages(target)
    stamp.write_text(wanted)
    count = len(list(files.iterdir()))
    say(f"package index made of {count} wheels ({time.monotonic() - began:.0f} s)")


def _download(lock: Path, into: Path) -> None:
    done = subprocess.run(
        [
            *(
                PYTHON,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--disable-pip-version-check",
                "--no-input",
            ),
            *("--require-hashes", "--no-deps", "--only-binary=:all:", "--find-links", str(into)),
            *("--dest", str(into), "--requirement", str(lock)),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode != 0:
        raise Permanent(
            f"The packages could not be fetched ({done.stderr[-1500:].strip()})",
            lock.name,
            "Is this machine connected, and is requirements/lock up to date?",
        )


def _write_pages(target: Path) -> None:
    wheels: dict[str, list[Path]] = {}
    for wheel in sorted((target / "files").glob("*.whl")):
        name = re.sub(r"[-_.]+", "-", wheel.name.split("-", 1)[0]).lower()
        wheels.setdefault(name, []).append(wheel)
    pages = target / "simple"
    shutil.rmtree(pages, ignore_errors=True)
    for name, found in wheels.items():
        links = [
            _link(f"../../files/{html.escape(wheel.name)}#sha256={_sha256(wheel)}", html.escape(wheel.name))
            for wheel in found
        ]
        _write_page(pages / name / "index.html", links)
    _write_page(pages / "index.html", [_link(f"{name}/", name) for name in wheels])


def _write_page(path: Path, links: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("<!DOCTYPE html>\n<html><body>\n" + "<br>\n".join(links) + "\n</body></html>\n")


def _link(address: str, text: str) -> str:
    return f'<a href="{address}">{text}</a>'


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

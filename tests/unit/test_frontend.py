"""What the dashboard takes from npm: locked, fetched once, moved into place whole, and in every release."""

import importlib.util
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FRONTEND = Path("src/medialift/web/frontend")
VENDOR = Path("src/medialift/web/static/vendor")

NPM = """#!/bin/sh
# Stands in for npm: lays down the packages of the lock file, and notes how it was called.
echo "$@" >>"$NPM_CALLS"
[ -z "$NPM_FAILS" ] || { echo "npm error network" >&2; exit 1; }
while [ "$1" != --prefix ]; do shift; done
cd "$2" && mkdir node_modules 2>/dev/null
for package in htmx.org htmx-ext-sse uplot; do
    mkdir -p node_modules/$package/dist && echo "licence of $package" >node_modules/$package/LICENSE
done
echo htmx >node_modules/htmx.org/dist/htmx.min.js
echo sse >node_modules/htmx-ext-sse/dist/sse.min.js
echo uplot >node_modules/uplot/dist/uPlot.iife.min.js
echo css >node_modules/uplot/dist/uPlot.min.css
"""


class Checkout:
    """A checkout with the frontend only, and an npm that fetches nothing."""

    def __init__(self, root: Path) -> None:
        self.root, self.calls_file, self.fails = root / "checkout", root / "calls", False
        shutil.copytree(ROOT / FRONTEND, self.root / FRONTEND)
        (self.root / VENDOR.parent).mkdir()
        self.programs = root / "programs"
        self.programs.mkdir()
        npm = self.programs / "npm"
        npm.write_text(NPM)
        npm.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.programs}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "NPM_CALLS": str(self.calls_file),
            "NPM_FAILS": "yes" if self.fails else "",
        }

    def build(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / FRONTEND / "build", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []

    def vendor(self) -> set[str]:
        return {path.name for path in (self.root / VENDOR).iterdir()}


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


def test_every_package_is_pinned_to_one_version_with_its_hash():
    wanted = json.loads((ROOT / FRONTEND / "package.json").read_text())
    locked = json.loads((ROOT / FRONTEND / "package-lock.json").read_text())["packages"]
    for name, version in (wanted["dependencies"] | wanted["devDependencies"]).items():
        assert locked[f"node_modules/{name}"]["version"] == version
    assert all(one["integrity"].startswith("sha512-") for name, one in locked.items() if name)
    assert not [name for name, one in locked.items() if one.get("hasInstallScript")]


def test_the_files_lie_there_with_their_licences(checkout):
    assert checkout.build().returncode == 0
    assert checkout.vendor() == {
        "htmx.min.js", "sse.min.js", "uPlot.iife.min.js", "uPlot.min.css", "stamp",
        "htmx.org.LICENSE.txt", "htmx-ext-sse.LICENSE.txt", "uplot.LICENSE.txt",
    }  # fmt: skip
    (call,) = checkout.calls()
    assert "--ignore-scripts" in call and "--omit=dev" in call


def test_what_is_there_is_not_fetched_again_until_the_lock_changes(checkout):
    assert checkout.build("--check").returncode == 1
    checkout.build()
    checkout.build()
    assert checkout.build("--check").returncode == 0
    assert len(checkout.calls()) == 1
    with (checkout.root / FRONTEND / "package-lock.json").open("a") as lock:
        lock.write("\n")
    assert checkout.build("--check").returncode == 1
    checkout.build()
    assert len(checkout.calls()) == 2


def test_the_tests_get_what_a_release_does_without(checkout):
    checkout.build()
    assert checkout.build("--tests").returncode == 0
    assert "--omit=dev" not in checkout.calls()[-1]
    checkout.build("--tests")
    assert len(checkout.calls()) == 2


def test_what_was_there_stays_when_nothing_can_be_fetched(checkout):
    checkout.build()
    before = checkout.vendor()
    with (checkout.root / FRONTEND / "package-lock.json").open("a") as lock:
        lock.write("\n")
    checkout.fails = True
    failed = checkout.build()
    assert failed.returncode != 0 and "npm error network" in failed.stderr
    assert checkout.vendor() == before
    assert [path.name for path in (checkout.root / VENDOR.parent).iterdir()] == ["vendor"]


def test_without_npm_it_says_what_to_install(checkout):
    shutil.rmtree(checkout.programs)
    checkout.programs.mkdir()
    for program in ("bash", "cat", "sha256sum", "cut", "dirname", "env"):
        (checkout.programs / program).symlink_to(shutil.which(program))
    failed = subprocess.run(
        [checkout.programs / "bash", checkout.root / FRONTEND / "build"],
        env={"PATH": str(checkout.programs)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert failed.returncode == 1
    assert "apt-get install nodejs npm" in failed.stderr


@pytest.fixture
def build_release(checkout, monkeypatch):
    """The script that makes releases, in a checkout with one module."""
    for name, value in checkout.environment.items():
        monkeypatch.setenv(name, value)
    (checkout.root / "src/medialift/__init__.py").write_text("")
    (checkout.root / "src/medialift/web/__init__.py").write_text("")
    shutil.copy(ROOT / "pyproject.toml", checkout.root)
    (checkout.root / "README.md").write_text("words")
    (checkout.root / "requirements").mkdir()
    (checkout.root / "requirements/runtime.txt").write_text("httpx==0.28.1\n")
    script = ROOT / "roles" / "runtime" / "files" / "build_release.py"
    spec = importlib.util.spec_from_file_location("build_release", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_release_is_the_same_whether_or_not_its_scripts_were_fetched_before(build_release, checkout):
    before = build_release.release_version(checkout.root)
    checkout.build()
    assert build_release.release_version(checkout.root) == before
    with (checkout.root / FRONTEND / "package-lock.json").open("a") as lock:
        lock.write("\n")
    assert build_release.release_version(checkout.root) != before


def test_a_wheel_holds_what_the_pages_load(build_release, checkout, tmp_path):
    (checkout.root / VENDOR.parent / "app.css").write_text("body {}")
    wheel = build_release.build(checkout.root, "0.1.0+0123456789ab", tmp_path / "wheels")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "medialift/web/static/app.css",
        "medialift/web/static/vendor/htmx.min.js",
        "medialift/web/static/vendor/uPlot.iife.min.js",
        "medialift/web/static/vendor/htmx.org.LICENSE.txt",
    } <= names
    assert not [name for name in names if "frontend" in name or "node_modules" in name]


def test_a_release_that_would_lack_its_scripts_is_not_made(build_release, checkout, monkeypatch, tmp_path):
    monkeypatch.setenv("NPM_FAILS", "yes")
    with pytest.raises(SystemExit, match="could not be fetched from npm"):
        build_release.build(checkout.root, "0.1.0+0123456789ab", tmp_path / "wheels")
    assert not list(tmp_path.glob("wheels/*"))

"""An installation of releases as the role `runtime` makes it, small: its packages are those of the tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import medialift
from medialift.healing.code.codefix import CodeFixes
from medialift.healing.code.release import Releases

# The system's, which everybody may run: who is nobody cannot come to an interpreter in somebody's home.
PYTHON = Path("/usr/bin/python3.11")
VERSION = "0.1.0+0123456789ab"


class Installation:
    """A root such as /opt/medialift, with one release in use."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.releases = Releases(root)
        self.first = root / "releases" / VERSION
        install(self.first / "venv")
        (root / "current").symlink_to(self.first / "venv")

    @property
    def current(self) -> Path:
        return (self.root / "current").readlink()

    def fixes(self, **more: object) -> CodeFixes:
        return CodeFixes(self.releases, enabled=True, **more)  # type: ignore[arg-type]

    def module(self, name: str, release: Path | None = None) -> Path:
        return self.releases.module(release or self.first, name)

    def names(self) -> list[str]:
        return [one.name for one in self.releases.all()]


def install(environment: Path) -> None:
    """An environment with a copy of this package, whose other packages are those that the tests run with."""
    subprocess.run(
        [PYTHON, "-m", "venv", "--without-pip", environment], check=True, capture_output=True, timeout=120
    )
    packages = environment / "lib" / "python3.11" / "site-packages"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(medialift.__file__).parent, packages / "medialift", ignore=ignored)
    others = next(path for path in sys.path if path.endswith("site-packages"))
    (packages / "others.pth").write_text(f"{others}\n")
    program = environment / "bin" / "medialift"
    program.write_text(f"#!{environment}/bin/python3\nfrom medialift.cli import main\n\nmain()\n")
    program.chmod(0o755)


@pytest.fixture(scope="module")
def installed() -> Iterator[Installation]:
    """One for all tests of a module that leave it as it was."""
    with tempfile.TemporaryDirectory(prefix="releases-") as folder:
        Path(folder).chmod(0o755)
        yield Installation(Path(folder) / "opt")


@pytest.fixture
def installation(installed: Installation, tmp_path: Path) -> Iterator[Installation]:
    """A fresh one: its first release is as installed, and there is no other."""
    made = Installation.__new__(Installation)
    made.root = Path(tempfile.mkdtemp(prefix="releases-"))
    made.root.chmod(0o755)
    made.releases = Releases(made.root)
    made.first = made.root / "releases" / VERSION
    shutil.copytree(installed.first, made.first, symlinks=True)
    program = made.first / "venv" / "bin" / "medialift"
    program.write_text(program.read_text().replace(str(installed.first), str(made.first)))
    (made.root / "current").symlink_to(made.first / "venv")
    yield made
    shutil.rmtree(made.root)

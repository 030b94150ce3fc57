"""Releases beside each other: one is copied, the copy edited, and `current` moved to it in one step, or back.

    <root>/releases/0.1.0+3f2a…/venv        as it was installed
    <root>/releases/0.1.0+3f2a….fix1/venv   a copy with one module edited
    <root>/current -> releases/…/venv

What runs is never edited: a worker keeps the release that its unit names until it is started with another.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from medialift.errors import Permanent, Unsafe
from medialift.foundation import atomic
from medialift.foundation.process import Runner, runner
from medialift.foundation.units import format_size

_FIX = re.compile(r"(?P<base>.+)\.fix(?P<number>[1-9][0-9]*)")
_SYNC_SECONDS = 600.0
_LARGEST_SCRIPT = 1_000_000
_INSTALL = "Apply the role runtime"


@dataclass(frozen=True)
class Releases:
    """The releases of this host.

    Attributes:
        root: such as /opt/medialift.
        free_space: bytes that must stay free beside a copy.
        run: starts programs.
    """

    root: Path
    free_space: int = 0
    run: Runner = field(default_factory=lambda: runner(timeout=_SYNC_SECONDS))

    @property
    def folder(self) -> Path:
        return self.root / "releases"

    @property
    def link(self) -> Path:
        return self.root / "current"

    def current(self) -> Path:
        """The folder of the release that `current` names.

        Raises:
            Permanent: there is none, or it is none of the releases.
        """
        try:
            found = self.link.resolve(strict=True)
        except OSError as error:
            raise Permanent("There is no release in use", str(self.link), _INSTALL) from error
        if found.name != "venv" or found.parent.parent != self.folder.resolve():
            raise Permanent("The release in use is none of those that are installed", str(found), _INSTALL)
        return self.folder / found.parent.name

    def all(self) -> list[Path]:
        """The folders of all releases, by name."""
        if not self.folder.is_dir():
            return []
        return sorted(one for one in self.folder.iterdir() if one.is_dir() and not one.name.startswith("."))

    def copy(self, base: Path, number: int) -> Path:
        """A copy of a release as its fix of this number, which works where it is. `flush` it before its use.

        Raises:
            Permanent: too little space, or the release is not whole.
            OSError: as the disk tells it.
        """
        original = _FIX.fullmatch(base.name)
        name = f"{original['base'] if original else base.name}.fix{number}"
        made, target = self.folder / f".{name}.part", self.folder / name
        if target.exists():
            raise Permanent(
                "There is such a release already", str(target), "Remove it, or take the next number"
            )
        self._remove(made)  # what a copy that was interrupted left
        self._room(base)
        try:
            shutil.copytree(base, made, symlinks=True)
            _move_environment(made / "venv", base / "venv", target / "venv")
            self.module(made, "__init__.py")
        except BaseException:
            self._remove(made)
            raise
        made.rename(target)
        return target

    def flush(self, release: Path) -> None:
        """Have a release on the disk before anything names it: its thousands of files in one go.

        Raises:
                Transient: the disk took too long.
            Permanent: it failed.
        """
        done = self.run(["sync", "--file-system", str(release)])
        done.checked("The disk does not take the release")
        atomic.sync_folder(self.folder)

    def module(self, release: Path, module: str) -> Path:
        """The file of a module, such as "books/speed.py", in a release.

        Raises:
            Permanent: it is not within the release; an installation for development is no release.
        """
        found = [
            file
            for file in (release / "venv" / "lib").glob(f"python3.*/site-packages/medialift/{module}")
            if file.is_file() and not file.is_symlink()
        ]
        if len(found) != 1 or ".." in Path(module).parts:
            raise Permanent("The release has no such module of its own", f"{release}: {module}", _INSTALL)
        return found[0]

    def write(self, release: Path, module: str, text: str) -> None:
        """Put another text in a module's place. Only for a copy that nothing runs from.

        Raises:
            Permanent: as `module`.
        """
        file = self.module(release, module)
        atomic.write_text(file, text, mode=file.stat().st_mode & 0o7777)
        # Python goes by time and size: nobody is to find the old one for the new.
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
            compiled.unlink()

    def switch(self, release: Path) -> bool:
        """Have `current` name this release from now on, in one step; False when it does already.

        Raises:
            Permanent: there is no such release.
        """
        target = release / "venv"
        if release.parent != self.folder or not (target / "bin" / "python").exists():
            raise Permanent("There is no such release", str(release), _INSTALL)
        with suppress(FileNotFoundError):
            if self.link.readlink() == target:
                return False
        beside = self.root / f".current.{os.getpid()}"
        with suppress(FileNotFoundError):
            beside.unlink()
        beside.symlink_to(target)
        beside.replace(self.link)
        atomic.sync_folder(self.root)
        return True

    def remove(self, release: Path) -> bool:
        """Throw a fix away; whether there was one.

        Raises:
            Unsafe: it is in use.
            Permanent: it is no fix: what was installed is not ours to remove.
        """
        if release.parent != self.folder or not is_fix(release):
            raise Permanent("Only fixes are removed", str(release), "The role runtime removes old releases")
        with suppress(Permanent):
            if self.current() == release:
                raise Unsafe("This release is in use", str(release), "Switch to another one first")
        return self._remove(release)

    def _room(self, base: Path) -> None:
        size = sum(one.lstat().st_size for one in base.rglob("*") if not one.is_dir())
        free = shutil.disk_usage(self.folder).free
        if free < size + self.free_space:
            raise Permanent(
                "There is too little space for a copy of the release",
                f"{self.folder}: {format_size(free)} free",
                f"{format_size(size + self.free_space)} are needed",
            )

    @staticmethod
    def _remove(folder: Path) -> bool:
        if not folder.is_dir():
            return False
        shutil.rmtree(folder)
        return True


def is_fix(release: Path) -> bool:
    """Whether a release is one that the healing made."""
    return _FIX.fullmatch(release.name) is not None


def number_of(release: Path) -> int:
    """The number of a fix; 0 for a release as it was installed."""
    found = _FIX.fullmatch(release.name)
    return int(found["number"]) if found else 0


def _move_environment(environment: Path, old: Path, new: Path) -> None:
    """Have a copied environment name its new place. Python itself finds out where it is; scripts do not."""
    texts = [environment / "pyvenv.cfg", *(environment / "bin").iterdir()]
    for file in texts:
        if file.is_symlink() or not file.is_file() or file.stat().st_size > _LARGEST_SCRIPT:
            continue
        content = file.read_bytes()
        if b"\0" in content or os.fsencode(old) not in content:
            continue
        moved = re.sub(re.escape(os.fsencode(old)) + rb"(?=[/\s\"']|$)", lambda _: os.fsencode(new), content)
        atomic.write_bytes(file, moved, mode=file.stat().st_mode & 0o7777)

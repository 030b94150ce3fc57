"""What was imported, and what is under way: two small files that a crash cannot tear."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from medialift.errors import Permanent
from medialift.foundation.atomic import sync_folder, write_json
from medialift.plex.restore.layout import LibraryFolder

# stopping: Plex is being stopped, nothing moved yet. swapping, swapped: renames going on, or done and not
# verified. verified: the new library serves. undoing: the old one is being put back.
Step = Literal["stopping", "swapping", "swapped", "verified", "undoing"]


@dataclass(frozen=True)
class Pending:
    """An import or rollback under way: enough to finish or undo it after a crash.

    Attributes:
        name: of its staging and rollback folders.
        archive: sha256 of the archive.
        was_running: whether Plex ran before, so must run again.
        into: folder below ours that takes back what was brought in.
        by_hand: a rollback that a person asked for, rather than one after a failure.
    """

    name: str
    archive: str
    source: str
    step: Step
    was_running: bool
    into: str
    by_hand: bool = False


@dataclass(frozen=True)
class Imported:
    """An import that was verified. `at`: ISO 8601, UTC."""

    name: str
    archive: str
    source: str
    at: str
    rolled_back: bool = False


@dataclass(frozen=True)
class History:
    """The verified imports of a library, oldest first."""

    imports: tuple[Imported, ...] = ()

    @property
    def current(self) -> Imported | None:
        """The import that is in place; None when the library is home's own."""
        return next((one for one in reversed(self.imports) if not one.rolled_back), None)

    def was_rolled_back(self, archive: str) -> bool:
        """Whether this archive was imported, and a person took it back."""
        return any(one.archive == archive and one.rolled_back for one in self.imports)

    def to_dict(self) -> dict[str, Any]:
        """{archive: sha256 of the one in place or "", imports: […]}."""
        current = self.current
        return {
            "archive": current.archive if current else "",
            "imports": [asdict(one) for one in self.imports],
        }


def read_history(data: LibraryFolder) -> History:
    """What `imported.json` tells.

    Raises:
        Permanent: it is damaged.
    """
    told = _read(data.ours / "imported.json")
    if told is None:
        return History()
    try:
        return History(tuple(Imported(**one) for one in told["imports"]))
    except (KeyError, TypeError) as error:
        raise _damaged(data.ours / "imported.json") from error


def add_import(data: LibraryFolder, one: Imported) -> None:
    """Note a verified import, once."""
    history = read_history(data)
    if all(known.name != one.name for known in history.imports):
        _write_history(data, History((*history.imports, one)))


def note_rollback(data: LibraryFolder, name: str) -> None:
    """Note that the import `name` was taken back."""
    history = read_history(data)
    _write_history(
        data,
        History(
            tuple(replace(one, rolled_back=True) if one.name == name else one for one in history.imports)
        ),
    )


def read_pending(data: LibraryFolder) -> Pending | None:
    """What is under way; None when nothing is.

    Raises:
        Permanent: the file is damaged.
    """
    told = _read(_pending(data))
    if told is None:
        return None
    try:
        return Pending(**told)
    except TypeError as error:
        raise _damaged(_pending(data)) from error


def write_pending(data: LibraryFolder, pending: Pending) -> None:
    """Write down what is about to happen; it is on disk when this returns."""
    data.prepare()
    write_json(_pending(data), asdict(pending), mode=0o600)


def clear_pending(data: LibraryFolder) -> None:
    """Nothing is under way any more."""
    _pending(data).unlink(missing_ok=True)
    sync_folder(data.ours)


def _pending(data: LibraryFolder) -> Path:
    return data.ours / "import.json"


def _write_history(data: LibraryFolder, history: History) -> None:
    data.prepare()
    write_json(data.ours / "imported.json", history.to_dict(), mode=0o600)


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        told = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise _damaged(path) from error
    if not isinstance(told, dict):
        raise _damaged(path)
    return told


def _damaged(path: Path) -> Permanent:
    return Permanent(
        "A file that records imports is damaged", str(path), "Restore it, or move it away if Plex serves well"
    )

"""A book as it lies in the intake's folders, found by an item of the ledger: manifest, cover, why it failed.

Nothing of a path comes from whoever asks, and only what is really in the folders of the settings is read.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medialift.audiobooks import failures
from medialift.audiobooks import manifest as manifests
from medialift.audiobooks import tags as atoms
from medialift.audiobooks.manifest import Manifest
from medialift.audiobooks.stages import CONVERT, Stage, parted
from medialift.errors import MedialiftError
from medialift.settings import AudiobooksSettings

_LARGEST_COVER = 30_000_000
_LONGEST_INFO = 20_000


@dataclass(frozen=True)
class BookOfItem:
    """What is known of the book of an item.

    Attributes:
        name: of its folder in converted; "" when it did not come so far.
        source: its path in the inbox; "" when only the manifest would know it.
        manifest: None when there is none here.
        why: why there is no manifest, a sentence; "" when there is one.
        info: what FAILED_INFO.txt says; "" when there is none.
        sources: where the ledger says that the sources were put; "" when they were not moved.
    """

    stage: Stage
    name: str
    source: str
    folder: Path | None
    manifest: Manifest | None
    why: str
    info: str
    sources: str


def find(
    settings: AudiobooksSettings,
    key: str,
    *,
    payload: Mapping[str, Any] | None = None,
    result: Mapping[str, Any] | None = None,
) -> BookOfItem:
    """The book of an item of ours.

    Raises:
        ValueError: it is no key of an audiobook.
    """
    payload, result = payload or {}, result or {}
    stage, named = parted(key)
    name = str(result.get("name") or "") if stage == CONVERT else named
    folder = _inside(settings.converted, name) if name else None
    manifest, why = _manifest(folder, name)
    source = named if stage == CONVERT else ""
    if manifest is not None:
        source = manifest.sources.key
    aside = str(payload.get("put_aside") or "")
    return BookOfItem(
        stage,
        name,
        source,
        folder,
        manifest,
        why,
        _info(settings, aside),
        aside or str(payload.get("kept") or "") or (manifest.sources.kept if manifest else ""),
    )


def cover(book: BookOfItem) -> tuple[bytes, str] | None:
    """The picture in the book's file, and what it is: "jpeg" or "png"; None when none can be shown."""
    if book.folder is None or book.manifest is None:
        return None
    file = book.folder / Path(book.manifest.conversion.file).name
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            return None
        picture = atoms.cover(file)
        if picture is None or len(picture) > _LARGEST_COVER:
            return None
        return picture, atoms.picture_format(picture)
    except (MedialiftError, OSError):
        return None


def _inside(folder: Path, name: str) -> Path | None:
    """The folder of this name in one of ours; None when there is none, or it leads elsewhere."""
    if "/" in name or name.startswith("."):
        return None
    try:
        found = (folder / name).resolve(strict=True)
        return found if found.parent == folder.resolve() and found.is_dir() else None
    except OSError:
        return None


def _manifest(folder: Path | None, name: str) -> tuple[Manifest | None, str]:
    if not name:
        return None, "It is not converted yet"
    if folder is None:
        return (
            None,
            "Its folder is not here: it was taken away, or this host does not see the intake's folders",
        )
    try:
        return manifests.read(folder), ""
    except MedialiftError as error:
        return None, str(error)
    except OSError as error:
        return None, f"Its manifest cannot be read: {error.strerror}"


def _info(settings: AudiobooksSettings, aside: str) -> str:
    folder = _inside(settings.failed, Path(aside).name) if aside else None
    if folder is None or Path(aside).parent != settings.failed:
        return ""
    file = folder / failures.INFO
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            return ""
        with file.open(encoding="utf-8", errors="replace") as text:
            return text.read(_LONGEST_INFO)
    except OSError:
        return ""

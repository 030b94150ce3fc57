"""The libraries to deliver to, and their servers: whether they are set up so that a book can get there."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from medialift.audiobooks.delivery.delivering import library_of
from medialift.audiobooks.delivery.library import Limits
from medialift.audiobooks.validating.fault import Fault, destination, of_error
from medialift.audiobooks.validating.places import usable
from medialift.errors import MedialiftError, Permanent, Transient
from medialift.foundation.token import read_token
from medialift.settings import AudiobooksSettings, DestinationSettings

_LIBRARY_SECONDS = 20.0
_KEYED = ("plex", "audiobookshelf", "jellyfin")


def library(name: str, wanted: DestinationSettings, audiobooks: AudiobooksSettings) -> Iterator[Fault]:
    """What keeps books from one of them, or its server from being told."""
    where = destination(name)
    yield from _library(where, wanted, audiobooks)
    if wanted.rescan:
        if not wanted.rescan_url:
            yield Fault(f"{where}.rescan_url", f"the address of {wanted.rescan} is missing", "Set it")
        if wanted.rescan in ("plex", "audiobookshelf") and not wanted.rescan_library:
            yield Fault(
                f"{where}.rescan_library",
                f"the id of {wanted.rescan}'s library is missing",
                "It is in the address that the browser shows when the library is open",
            )
        if wanted.rescan in _KEYED and wanted.rescan_token_file is None:
            yield Fault(
                f"{where}.rescan_token_file", f"{wanted.rescan} wants a token", "Name the file it is in"
            )
    elif wanted.rescan_url or wanted.rescan_token_file:
        yield Fault(
            f"{where}.rescan", "an address or a token is set, and no server", "Name the server", "warning"
        )
    yield from token(f"{where}.rescan_token_file", wanted.rescan_token_file)


def _library(where: str, wanted: DestinationSettings, audiobooks: AudiobooksSettings) -> Iterator[Fault]:
    local = wanted.transfer in ("copy", "hardlink")
    program = {"rclone": audiobooks.rclone, "rsync": "rsync"}.get(wanted.transfer)
    if program is not None and shutil.which(program) is None:
        yield Fault(
            f"{where}.transfer", f"there is no program {program}", "Install it, or set audiobooks.rclone"
        )
        return
    if local and not wanted.path.startswith("/"):
        yield Fault(
            f"{where}.path",
            f"{wanted.path} is no absolute path",
            "Correct it, or set transfer to rclone or rsync",
        )
        return
    if wanted.path.startswith("-"):
        yield Fault(f"{where}.path", f"{wanted.path} would be taken for an option", "Correct it")
        return
    if local:
        fault = usable(f"{where}.path", Path(wanted.path))
        if fault is not None:
            yield fault
        elif wanted.transfer == "hardlink" and not _linkable(audiobooks.converted, Path(wanted.path)):
            yield Fault(
                f"{where}.transfer",
                f"no hard link goes from {audiobooks.converted} to {wanted.path}",
                "Let both lie on one file system, or set transfer to copy",
            )
        return
    try:
        library_of(wanted, audiobooks, Limits(time.monotonic() + _LIBRARY_SECONDS)).ready()
    except Transient as error:
        yield of_error(f"{where}.path", error, "warning")
    except MedialiftError as error:
        yield of_error(f"{where}.path", error)


def _linkable(here: Path, there: Path) -> bool:
    """Whether a hard link can be made: by making one. Two folders of one mount may be of two file systems."""
    try:
        with tempfile.NamedTemporaryFile(prefix=".medialift-", dir=here) as file:
            target = there / Path(file.name).name
            os.link(file.name, target)
            target.unlink()
    except OSError:
        # A folder that is not there, or may not be written, is told of by itself.
        return not (here.is_dir() and os.access(here, os.W_OK))
    return True


def token(where: str, file: Path | None) -> Iterator[Fault]:
    """What is wrong with the file of a token."""
    try:
        read_token(file)
    except Permanent as error:
        yield of_error(where, error)

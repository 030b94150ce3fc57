"""Logs: collected from files and the journal, secrets masked, packed into one archive.

Nothing is collected whole that has no bound: of each source the newest part is kept, and the collection says
what was cut.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medialift import settings
from medialift.cloud.objects import Store, Upload
from medialift.errors import MedialiftError, Permanent
from medialift.foundation import archive, atomic, process
from medialift.foundation.archive import Member, Written
from medialift.foundation.process import Runner
from medialift.foundation.text import redact

# Newest bytes kept of one source: enough for days of a service's log, little enough to hold in memory.
KEPT = 16 << 20
_JOURNAL_SECONDS = 120.0
_CUT = "[older lines are cut here]\n"


@dataclass(frozen=True)
class Sources:
    """What is collected.

    Attributes:
        files: patterns of absolute paths, as `glob` takes them (`**` for any depth).
        units: systemd units, whose journal is collected; a unit that never ran gives an empty file.
        secrets: values to mask besides those that are known by their shape.
    """

    files: Sequence[str] = ()
    units: Sequence[str] = ()
    secrets: Sequence[str] = ()


def members(sources: Sources, runner: Runner) -> Iterator[Member]:
    """The logs as members of an archive, one file or unit after the other.

    A source that cannot be read becomes a member that says so: one broken log must not cost the others.
    """
    for unit in sources.units:
        yield _member(f"journal/{unit}.log", _journal(unit, runner), sources.secrets)
    patterns = [glob.iglob(pattern, recursive=True) for pattern in sources.files]  # noqa: PTH207 - absolute
    for path in sorted({Path(name) for found in patterns for name in found}):
        if path.is_file() and not path.is_symlink():
            yield _member(f"files/{str(path).lstrip('/')}", _newest(path), sources.secrets)


def collect(
    sources: Sources,
    *,
    name: str,
    runner: Runner,
    folder: Path | None = None,
    store: tuple[Store, str, str] | None = None,
) -> dict[str, Any]:
    """Pack the logs into `<name>.tar.zst`, in a folder or straight into a store.

    Args:
        store: (store, bucket, key's beginning).

    Returns:
        {url, bytes, sha256, members}: where it is, and what it is.

    Raises:
        Permanent: neither or both of folder and store were given; Transient, Permanent: as they come.
    """
    if (folder is None) == (store is None):
        raise Permanent("Logs go to exactly one place", name, "Give a folder, or a place in the store")
    manifest = {"kind": "logs", "name": name, "created": datetime.now(UTC).isoformat(timespec="seconds")}
    packed = members(sources, runner)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.tar.zst"
        with atomic.replacing(path, mode=0o600) as out:
            written = archive.write(packed, out, manifest=manifest)
        return _told(str(path), written)
    assert store is not None  # noqa: S101 - checked above
    where, bucket, prefix = store
    key = f"{prefix.rstrip('/')}/{name}.tar.zst".lstrip("/")
    with Upload(where, bucket, key) as upload:
        written = archive.write(packed, upload, manifest=manifest)  # type: ignore[arg-type]
        upload.commit()
    return _told(f"s3://{bucket}/{key}", written)


def collect_here(sources: Sources, *, name: str, folder: Path | None = None) -> dict[str, Any]:
    """`collect` with this host's settings: its secrets are masked, its store is the one without a folder."""
    loaded = settings.load().settings
    known = Sources(sources.files, sources.units, [*sources.secrets, *settings.secrets(loaded)])
    runner = process.runner(timeout=_JOURNAL_SECONDS)
    if folder is not None:
        return collect(known, name=name, runner=runner, folder=folder)
    if not loaded.store.bucket:
        raise Permanent("There is no store to put logs into", "store.bucket", "Set it, or give a folder")
    place = (Store.of(loaded.store), loaded.store.bucket, f"{loaded.store.prefix}/logs")
    return collect(known, name=name, runner=runner, store=place)


def _told(url: str, written: Written) -> dict[str, Any]:
    return {"url": url, "bytes": written.bytes, "sha256": written.sha256, "members": written.members}


def _member(name: str, content: str, secrets: Iterable[str]) -> Member:
    return Member(name, redact(content, secrets).encode(), mode=0o600)


def _journal(unit: str, runner: Runner) -> str:
    try:
        said = runner(["journalctl", "--no-pager", "--output", "short-iso", "--unit", unit])
    except MedialiftError as error:
        return f"[the journal of {unit} could not be read: {error}]\n"
    if not said.ok:
        return f"[the journal of {unit} could not be read: {said.err.strip()}]\n"
    return said.out if len(said.out) <= KEPT else _CUT + said.out[-KEPT:]


def _newest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - KEPT))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"[{path} could not be read: {error.strerror}]\n"
    return text if size <= KEPT else _CUT + text.partition("\n")[2]

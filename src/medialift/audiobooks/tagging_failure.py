"""How a tagging that failed is told in the manifest: each try, and that no more are made."""

from __future__ import annotations

from pathlib import Path

from medialift import __version__
from medialift.audiobooks import manifest as manifests
from medialift.audiobooks.manifest import ErrorRecord, Manifest, Need
from medialift.errors import MedialiftError
from medialift.foundation.waiting import Clock, SystemClock


def give_up(folder: Path, error: BaseException, *, clock: Clock | None = None) -> Manifest:
    """Say in the manifest that tagging failed for good, and that a person must look at it.

    Raises:
        Permanent: there is no manifest.
        OSError: it cannot be written.
    """
    clock = clock or SystemClock()
    manifest = manifests.read(folder)
    told = _told(error)
    need = Need(code="tagging_failed", text=f"{told.what}: {told.subject}" if told.subject else told.what)
    manifest = manifest.changed(
        state="failed_tagging",
        next_action="review",
        needs_person=(need,),
        tagging=manifest.tagging.model_copy(update={"error": told}),
        updated=manifests.moment(clock.now()),
        medialift=__version__,
    )
    manifests.write(folder, manifest)
    return manifest


def _told(error: BaseException) -> ErrorRecord:
    if isinstance(error, MedialiftError):
        return ErrorRecord.model_validate(error.to_dict())
    if isinstance(error, OSError):
        return ErrorRecord(
            kind="transient", what=error.strerror or str(error), subject=str(error.filename or "")
        )
    return ErrorRecord(kind="unknown", what=f"{type(error).__name__}: {error}")


def record(folder: Path, manifest: Manifest, error: MedialiftError | OSError, clock: Clock) -> None:
    """Keep why a try failed; the state is as before, since another one may follow."""
    tagging = manifest.tagging.model_copy(update={"error": _told(error)})
    told = manifest.changed(tagging=tagging, updated=manifests.moment(clock.now()), medialift=__version__)
    try:
        manifests.write(folder, told)
    except OSError:
        # Where the disk is full or the folder is gone, the error itself is what matters.
        return

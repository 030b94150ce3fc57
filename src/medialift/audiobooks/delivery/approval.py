"""Whether a book may go into a library, or waits for a person to look at it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medialift.audiobooks import manifest as intake
from medialift.audiobooks.manifest import Approval, Manifest
from medialift.errors import Permanent
from medialift.settings import AudiobooksSettings


def holds_back(manifest: Manifest, name: str, settings: AudiobooksSettings) -> str:
    """Why the book is not delivered to the destination `name` now, in a sentence; "" when it may be."""
    approval = manifest.approval
    if approval.approved and (not approval.destinations or name in approval.destinations):
        return ""
    needs = [need.text for need in manifest.needs_person if need.code != "delivery_failed"]
    if needs:
        return f"It needs a person: {'; '.join(needs)}"
    if manifest.state == "failed_tagging":
        return "Tagging failed"
    if manifest.state == "converted" and settings.tagging.mode != "off":
        return "It is not tagged yet"
    if settings.hold or settings.destinations[name].approve:
        return "It waits to be approved"
    return ""


def approve(
    folder: Path, settings: AudiobooksSettings, *, by: str, now: float, destinations: Sequence[str] = ()
) -> Manifest:
    """Remember that a person lets the book in `folder` into the libraries; into all when none is named.

    Raises:
        Permanent: there is no such destination, or no manifest.
    """
    known(destinations, settings)
    manifest = intake.read(folder)
    before = manifest.approval
    if before.approved and not before.destinations:
        return manifest
    names = tuple(dict.fromkeys((*before.destinations, *destinations))) if destinations else ()
    if before.approved and names == before.destinations:
        return manifest
    changed = manifest.changed(
        approval=Approval(approved=True, by=by, at=intake.moment(now), destinations=names),
        next_action="deliver",
        updated=intake.moment(now),
    )
    intake.write(folder, changed)
    return changed


def known(names: Sequence[str], settings: AudiobooksSettings) -> None:
    """Raises:
    Permanent: one of the names is none of a destination.
    """
    if unknown := [name for name in names if name not in settings.destinations]:
        raise Permanent(
            "There is no such destination",
            ", ".join(unknown),
            f"There are: {', '.join(settings.destinations) or 'none; see [audiobooks.destinations.NAME]'}",
        )

"""The settings under which a Plex in the cloud may not harm what it scans.

Plex answers 200 to a setting it does not know, so every value is read back, and an id that the server does
not list is an error: a setting that we only believe in protects nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from medialift.errors import Permanent
from medialift.plex.server import Preference

Value = str | int | bool

NEVER, SCHEDULED = "never", "scheduled"

# Ids as PMS 1.41 to 1.43 list them on /:/prefs.
LOCKDOWN: Mapping[str, Value] = MappingProxyType(
    {
        # What a scan cannot read stays in the library, marked: the default removes it for good.
        "autoEmptyTrash": False,
        "allowMediaDeletion": False,
        # Scans happen when the run asks for them, never beside it.
        "FSEventLibraryUpdatesEnabled": False,
        "FSEventLibraryPartialScanEnabled": False,
        "ScheduledLibraryUpdatesEnabled": False,
        "ButlerTaskRefreshLibraries": False,
        "ButlerTaskRefreshPeriodicMetadata": False,
        "ButlerTaskRefreshLocalMedia": False,
        # These read whole files, over the network.
        "ButlerTaskUpgradeMediaAnalysis": False,
        "ButlerTaskDeepMediaAnalysis": False,
        "GenerateBIFBehavior": NEVER,
        "GenerateChapterThumbBehavior": NEVER,
        "GenerateIntroMarkerBehavior": NEVER,
        "GenerateCreditsMarkerBehavior": NEVER,
        "GenerateAdMarkerBehavior": NEVER,
        "GenerateVADBehavior": NEVER,
        "LoudnessAnalysisBehavior": NEVER,
        "MusicAnalysisBehavior": NEVER,
        # The machine is rented for the work: nothing waits for it to be idle.
        "BackgroundQueueIdlePaused": False,
        "ScannerLowPriority": False,
    }
)

# What sonic analysis asks for on top: its butler task does nothing while this is "never".
SONIC: Mapping[str, Value] = MappingProxyType({"MusicAnalysisBehavior": SCHEDULED})

# At home, before an import and until a scan has proved the new paths.
HOME: Mapping[str, Value] = MappingProxyType({"autoEmptyTrash": False})

PROFILES: Mapping[str, Mapping[str, Value]] = MappingProxyType(
    {"lockdown": LOCKDOWN, "home": HOME, "none": MappingProxyType({})}
)


class Settable(Protocol):
    """What this needs of a server."""

    def preferences(self) -> dict[str, Preference]: ...
    def set_preference(self, name: str, value: str) -> None: ...


@dataclass(frozen=True)
class Change:
    """A setting that is, or would be, changed."""

    id: str
    before: str
    after: str

    def to_dict(self) -> dict[str, str]:
        """{id, before, after}."""
        return {"id": self.id, "before": self.before, "after": self.after}


def lockdown(*, sonic: bool = False, overrides: Mapping[str, Value | None] | None = None) -> dict[str, Value]:
    """The settings for a run.

    Args:
        sonic: music will be analysed.
        overrides: the user's own values; None takes a setting out of the profile, for a version of Plex
            that does not have it.

    Raises:
        Permanent: an override would let the trash be emptied by itself.
    """
    wanted: dict[str, Value | None] = {**LOCKDOWN, **(SONIC if sonic else {}), **(overrides or {})}
    if not _is_off(wanted["autoEmptyTrash"]):
        raise Permanent(
            "autoEmptyTrash must be off in a run",
            f"autoEmptyTrash={wanted['autoEmptyTrash']}",
            "Take it out of your settings: what a scan cannot read would be deleted",
        )
    return {name: value for name, value in wanted.items() if value is not None}


def wanted(
    profile: str, *, sonic: bool = False, overrides: Mapping[str, Value | None] | None = None
) -> dict[str, Value]:
    """The settings of a profile (lockdown, home, none) with the user's own over them; None takes one out.

    Raises:
        Permanent: there is no such profile, or as in `lockdown`.
    """
    if profile == "lockdown":
        return lockdown(sonic=sonic, overrides=overrides)
    if profile not in PROFILES:
        raise Permanent("There is no such profile", profile, f"Valid are: {', '.join(sorted(PROFILES))}")
    merged: dict[str, Value | None] = {**PROFILES[profile], **(overrides or {})}
    return {name: value for name, value in merged.items() if value is not None}


def plan(server: Settable, wanted: Mapping[str, Value]) -> list[Change]:
    """What would change.

    Raises:
        Permanent: the server does not list one of the settings.
    """
    there = server.preferences()
    unknown = sorted(set(wanted) - set(there))
    if unknown:
        raise Permanent(
            "This Plex does not have these settings",
            ", ".join(unknown),
            "Correct their names, or set them to null if this version of Plex never had them",
        )
    return [
        Change(name, there[name].value, _text(value, there[name]))
        for name, value in wanted.items()
        if not _same(there[name], value)
    ]


def apply(server: Settable, wanted: Mapping[str, Value]) -> list[Change]:
    """Set what differs, and read everything back; what was changed.

    Raises:
        Permanent: the server does not list a setting, or did not keep one.
    """
    changes = plan(server, wanted)
    for change in changes:
        server.set_preference(change.id, change.after)
    not_kept = plan(server, wanted)
    if not_kept:
        raise Permanent(
            "Plex did not keep these settings",
            ", ".join(f"{change.id} is {change.before}, not {change.after}" for change in not_kept),
            "Check that the values are among those that it offers",
        )
    return changes


def _same(preference: Preference, value: Value) -> bool:
    if preference.type == "bool":
        return _is_off(preference.value) == _is_off(value)
    return preference.value == _text(value, preference)


def _text(value: Value, preference: Preference) -> str:
    if preference.type == "bool":
        return "0" if _is_off(value) else "1"
    return str(int(value)) if isinstance(value, bool) else str(value)


def _is_off(value: Any) -> bool:
    return str(value).strip().lower() in ("0", "false", "no", "off", "")

"""The sections that a scratch run makes: read from what the user wrote, every mistake named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from medialift.errors import Permanent
from medialift.plex.server import Section

# Agent and scanner of a new library in today's Plex, by its type.
DEFAULTS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "movie": ("tv.plex.agents.movie", "Plex Movie"),
        "show": ("tv.plex.agents.series", "Plex TV Series"),
        "artist": ("tv.plex.agents.music", "Plex Music"),
        "photo": ("com.plexapp.agents.none", "Plex Photo Scanner"),
    }
)
ALIASES = MappingProxyType(
    {"movies": "movie", "tv": "show", "shows": "show", "music": "artist", "photos": "photo"}
)
FIELDS = ("name", "type", "agent", "scanner", "language", "locations")

_EXAMPLE = "Write each as {name: Movies, type: movie, locations: [/cloud/media/Movies]}"


class Creator(Protocol):
    """What this needs of a server."""

    def sections(self) -> list[Section]: ...
    def create_section(
        self, *, name: str, type: str, agent: str, scanner: str, language: str, locations: Sequence[str]
    ) -> Section: ...


@dataclass(frozen=True)
class SectionSpec:
    """A section to be made. `locations` are paths as Plex sees them."""

    name: str
    type: str
    agent: str
    scanner: str
    language: str
    locations: tuple[str, ...]


def parse(given: Any) -> tuple[SectionSpec, ...]:
    """Check what the user wrote: a list of {name, type, locations, agent?, scanner?, language?}.

    Raises:
        Permanent: it is malformed; the entry and the field are named.
    """
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise Permanent("The sections must be a list", type(given).__name__, _EXAMPLE)
    specs = tuple(_spec(number, entry) for number, entry in enumerate(given, 1))
    names = [spec.name for spec in specs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Permanent("Two sections have the same name", ", ".join(twice), "Give each its own")
    return specs


def create(server: Creator, specs: Sequence[SectionSpec]) -> list[str]:
    """Make the sections that are not there yet; the names of those that were made.

    Raises:
        Permanent: one of this name is there and is another one.
    """
    there = {section.name: section for section in server.sections()}
    made = []
    for spec in specs:
        old = there.get(spec.name)
        if old is None:
            server.create_section(
                name=spec.name,
                type=spec.type,
                agent=spec.agent,
                scanner=spec.scanner,
                language=spec.language,
                locations=spec.locations,
            )
            made.append(spec.name)
        elif old.type != spec.type or set(old.locations) != set(spec.locations):
            raise Permanent(
                "Another section has this name already",
                f"{spec.name}: {old.type} at {', '.join(old.locations)}",
                "Rename one of them",
            )
    return made


def _spec(number: int, entry: Any) -> SectionSpec:
    where = f"section {number}"
    if not isinstance(entry, Mapping):
        raise Permanent("A section is malformed", f"{where} is no mapping", _EXAMPLE)
    where = f"section {number} ({entry.get('name', 'without a name')})"
    unknown = sorted(set(entry) - set(FIELDS))
    if unknown:
        raise Permanent(
            "A section has unknown fields",
            f"{where}: {', '.join(map(str, unknown))}",
            f"Valid are: {', '.join(FIELDS)}",
        )
    for field in ("name", "type"):
        if not isinstance(entry.get(field), str) or not entry[field].strip():
            raise Permanent("A section is malformed", f"{where} has no {field}", _EXAMPLE)
    kind = ALIASES.get(entry["type"].lower(), entry["type"].lower())
    if kind not in DEFAULTS:
        raise Permanent(
            "A section has an unknown type", f"{where}: {entry['type']}", f"Valid are: {', '.join(DEFAULTS)}"
        )
    locations = entry.get("locations")
    if isinstance(locations, str):
        locations = [locations]
    if not isinstance(locations, Sequence) or not locations:
        raise Permanent("A section is malformed", f"{where} has no locations", _EXAMPLE)
    for location in locations:
        if not isinstance(location, str) or not location.startswith("/") or location.rstrip("/") == "":
            raise Permanent(
                "A location must be an absolute path below the root", f"{where}: {location}", _EXAMPLE
            )
    agent, scanner = DEFAULTS[kind]
    return SectionSpec(
        name=entry["name"].strip(),
        type=kind,
        agent=str(entry.get("agent") or agent),
        scanner=str(entry.get("scanner") or scanner),
        language=str(entry.get("language") or "en-US"),
        locations=tuple(location.rstrip("/") for location in locations),
    )

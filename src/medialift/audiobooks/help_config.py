"""Every setting of the audiobooks as one table: what `help-config` shows, from the one definition."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from medialift import settings
from medialift.audiobooks import environment

SECTION = "audiobooks"


@dataclass(frozen=True)
class Row:
    """One setting: its name in the file, its kind, its default, its variable, its old names, what it is."""

    name: str
    kind: str
    default: str
    variable: str
    old: tuple[str, ...]
    documentation: str

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "setting": self.name,
            "type": self.kind,
            "default": self.default,
            "environment": self.variable,
            "old_names": list(self.old),
            "what_it_is": self.documentation,
        }


def rows() -> list[Row]:
    """The settings of the audiobooks, of tagging and of one destination, in the order of their definition."""
    nothing = settings.Loaded(settings.Settings.model_construct(), Path(), False, {}, {})
    found = [
        Row(
            item.name,
            item.kind,
            _shown(item.default, item.kind),
            item.variable,
            environment.names_of(item.name),
            item.documentation,
        )
        for item in settings.explain(nothing)
        if item.name.startswith(f"{SECTION}.")
    ]
    for family, model in settings.families():
        if family.startswith(f"{SECTION}."):
            parent = family.removesuffix(".NAME")
            at = next(index for index, row in enumerate(found) if row.name == parent) + 1
            found[at:at] = _named(family, model)
    return found


def _named(family: str, model: type[BaseModel]) -> list[Row]:
    """The settings of a section that a person names; they have no variables of their own."""
    return [
        Row(
            f"{family}.{name}",
            settings.kind_of(field),
            ""
            if field.is_required()
            else _shown(
                settings.plain(field.get_default(call_default_factory=True)), settings.kind_of(field)
            ),
            "",
            (),
            field.description or "",
        )
        for name, field in model.model_fields.items()
    ]


def _shown(value: Any, kind: str) -> str:
    """A default as a person writes it."""
    if kind == "duration" and value is not None:
        return f"{value:g}s"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None or value == {} else str(value)

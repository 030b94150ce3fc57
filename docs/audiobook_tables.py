"""The reference of audiobooks: which tag each field becomes, and what intake.json holds; from the code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from medialift.audiobooks import manifest, overrides, tags

_HEAD = [
    "# Audiobooks: tags and intake.json",
    "",
    "## Tags",
    "",
    "A field with two forms is written in one of them or in both, as `[audiobooks.tagging] scheme` says.",
    "MOVEMENTNAME and SERIES, MOVEMENT and SERIES-PART, ITUNESADVISORY and EXPLICIT are two forms of one",
    "field too. A part of a series that is no whole number has a freeform one only. What nothing is known",
    "of is not written.",
    "",
    "| field | iTunes' atom | freeform atom | made of |",
    "|---|---|---|---|",
]
_INTAKE = [
    "",
    "The picture is `covr`, as the only one.",
    "",
    "## What a person may say",
    "",
    "`medialift audiobooks tag NAME --set FIELD=VALUE` takes: {fields}.",
    "Lists are parted by `;`, and an empty value says that there is none.",
    "",
    "## intake.json",
    "",
    "It lies beside each book in `converted`. Its JSON schema is `intake.schema.json` in the package",
    "`medialift.audiobooks`; a file of a newer version is refused, unknown fields are kept.",
]
_MADE_OF = {
    "ARTIST": "authors, narrators",
    "ALBUMSORT": "series, title, subtitle",
    "ITUNESMEDIATYPE": "2: an audiobook",
    "ITUNESGAPLESS": "1",
}


def audiobooks() -> str:
    """The page."""
    told = ", ".join(f"`{name}`" for name in overrides.FIELDS)
    schema = manifest.schema()
    models = {"Manifest": schema, **schema["$defs"]}
    parts = [*_HEAD, *_tags(), *(line.replace("{fields}", told) for line in _INTAKE)]
    for name in _in_order(models):
        model = models[name]
        if "properties" in model:
            parts += [
                "",
                f"### {name}",
                "",
                *_summary(model),
                "| field | type | what it is |",
                "|---|---|---|",
            ]
            parts += [_row(field, one) for field, one in model["properties"].items()]
    return "\n".join(parts) + "\n"


def _tags() -> Iterator[str]:
    for field, lines in groupby(tags.TABLE, lambda line: line.field):
        rows = list(lines)
        own = ", ".join(f"`{line.atom}`" for line in rows if not line.freeform)
        free = ", ".join(f"`{line.atom}`" for line in rows if line.freeform)
        yield f"| {field} | {own} | {free} | {_MADE_OF.get(field, rows[0].attribute)} |"


def _in_order(models: Mapping[str, Any]) -> list[str]:
    """The manifest, then each model where it is first named."""
    order = ["Manifest"]
    for name in order:
        text = json.dumps(models[name].get("properties", {}))
        named = sorted((text.find(f'/{other}"'), other) for other in models if f'/{other}"' in text)
        order += [other for _, other in named if other not in order]
    return order


def _summary(model: Mapping[str, Any]) -> list[str]:
    first = model.get("description", "").split("\n\n")[0].strip()
    return [first, ""] if first else []


def _row(field: str, one: Mapping[str, Any]) -> str:
    described = one.get("description", "").replace("|", "\\|")
    return f"| `{field}` | {_kind(one).replace('|', chr(92) + '|')} | {described} |"


def _kind(one: Mapping[str, Any]) -> str:
    if "$ref" in one:
        name = one["$ref"].rpartition("/")[2]
        return "any JSON" if name == "JsonValue" else name
    if "anyOf" in one:
        return " | ".join(dict.fromkeys(_kind(each) for each in one["anyOf"]))
    if "enum" in one:
        return " | ".join(f"`{each}`" if each else '""' for each in one["enum"])
    if one.get("type") == "array":
        return f"list of {_kind(one.get('items', {}))}"
    if one.get("type") == "object" and "additionalProperties" in one:
        return f"table of {_kind(one['additionalProperties'])}"
    return str(one.get("type", "any JSON"))

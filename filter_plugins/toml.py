"""Settings files: a mapping of sections as TOML, since Ansible can write JSON and YAML only."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(value: Mapping[str, Any]) -> str:
    """`{"store": {"bucket": "media"}}` as `[store]` and `bucket = "media"`.

    Takes text, numbers, booleans, lists of these and mappings at any depth. There is no null in TOML: a key
    whose value is None is left out, so that the reader's default holds.
    """
    return "\n".join(_table(value, ())).strip() + "\n"


def _table(table: Mapping[str, Any], name: tuple[str, ...]) -> list[str]:
    plain = {key: item for key, item in table.items() if not isinstance(item, Mapping) and item is not None}
    inner = {key: item for key, item in table.items() if isinstance(item, Mapping)}
    lines = []
    if name and (plain or not inner):
        lines.append(f"[{'.'.join(map(_key, name))}]")
    lines += [f"{_key(key)} = {_value(item)}" for key, item in plain.items()]
    for key, item in inner.items():
        lines += ["", *_table(item, (*name, key))]
    return lines


def _key(key: object) -> str:
    text = str(key)
    return text if _BARE_KEY.fullmatch(text) else _text(text)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return _text(str(value))
    if isinstance(value, Sequence):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    # The value is not shown: a settings file holds secrets.
    raise AnsibleFilterError(f"A setting of type {type(value).__name__} cannot be written as TOML.")


def _text(text: str) -> str:
    # A JSON string is a TOML basic string, except that TOML wants DEL escaped too.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"medialift_toml": to_toml}

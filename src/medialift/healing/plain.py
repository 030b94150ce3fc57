"""Anything as PostgreSQL keeps it in JSON: its types only, no NUL, only Unicode, and no secrets."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from medialift.foundation.text import redact

LONGEST_TEXT = 100_000
"""Characters of one text that are kept: its end, where the newest is."""


def plain(value: Any) -> Any:
    """A copy of the value that can be kept: mappings and lists of texts, numbers, truth values and None.

    What is endless or no number becomes None, what has no equal in JSON becomes its text.
    """
    if value is None or type(value) in (bool, int):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {_text(str(name)): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    return _text(str(value))


def _text(said: str) -> str:
    kept = said[-LONGEST_TEXT:].replace("\0", "")
    return redact(kept.encode("utf-8", "replace").decode())

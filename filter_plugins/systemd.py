"""Command lines in systemd units: words quoted as systemd reads them, which is not as a shell does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

_PLAIN = re.compile(r"[A-Za-z0-9_./:=,@+-]+")


def unit_words(words: Iterable[Any]) -> str:
    """The words of one ExecStart= line, each quoted if it must be.

    `%` is a specifier and `$` a variable to systemd (systemd.service(5), "Command lines"): both are doubled.
    """
    return " ".join(map(_word, words))


def unit_paths(paths: Iterable[Any]) -> str:
    """Paths for RequiresMountsFor= and its like: `$` means nothing there, `%` does."""
    return " ".join(_quoted(str(path).replace("%", "%%")) for path in paths)


def _word(word: Any) -> str:
    return _quoted(str(word).replace("%", "%%").replace("$", "$$"))


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"medialift_unit_words": unit_words, "medialift_unit_paths": unit_paths}

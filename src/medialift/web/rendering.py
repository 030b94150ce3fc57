"""Templates: everything is escaped, a misspelt name is an error, and fragments are blocks of their page."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from medialift import __version__
from medialift.foundation.units import format_duration, format_size
from medialift.plex.report import page as report
from medialift.web import drawing, navigation

HERE = Path(__file__).parent
STATIC = HERE / "static"
_NOW_SECONDS = 2


def environment(base_path: str = "") -> Environment:
    """The templates of a dashboard that a proxy serves under `base_path`.

    In all of them: `ui` (the macros), `link(path, **query)`, `asset(name)`, `places`, `part_address(request,
    part)`; the filters size, duration, clock, count, moment, ago, sparkline, data (JSON for
    an attribute).
    """
    made = Environment(
        loader=FileSystemLoader([HERE / "templates", report.TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def link(path: str, **query: Any) -> str:
        """A path within the dashboard; query values that are None or "" are left out."""
        given = {name: value for name, value in query.items() if value not in (None, "")}
        return f"{base_path}{quote(path, safe='/')}" + (f"?{urlencode(given, doseq=True)}" if given else "")

    def asset(name: str) -> str:
        """The address of a file of `static`; it changes with the content, so it may be kept for ever."""
        return f"{base_path}/static/{name}?v={_version_of(name)}"

    made.globals |= {
        "link": link,
        "asset": asset,
        "places": navigation.PLACES,
        "place_groups": navigation.grouped(),
        "place_of": lambda path: navigation.current(path.removeprefix(base_path)),
        "part_address": _part_address,
        "version": __version__,
    }
    made.filters |= {
        "size": lambda value: "" if value is None else format_size(value),
        "duration": lambda value: "" if value is None else format_duration(value),
        "clock": _clock,
        "count": lambda value: "" if value is None else f"{value:,}",
        "moment": _moment,
        "ago": _ago,
        "sparkline": drawing.sparkline,
        **{name: report.FILTERS[name] for name in ("change", "euro", "px")},
        "data": _data,
        "pretty": lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str),
    }
    made.globals["ui"] = made.get_template("macros.html").module
    return made


def fragment(template: Template, name: str, values: Mapping[str, Any]) -> str:
    """One block of a page: what is fetched anew when something changed.

    Raises:
        KeyError: the page has no such block.
    """
    return "".join(template.blocks[name](template.new_context(dict(values))))


def _clock(seconds: float) -> str:
    """1:02:03, as players show a place in a book."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _moment(value: datetime | float | None) -> str:
    """2026-11-29 15:04:05 UTC."""
    if value is None:
        return ""
    at = value if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _ago(value: datetime | float | None) -> str:
    """ "3 min ago", "in 20 s", "now"."""
    if value is None:
        return ""
    at = value.timestamp() if isinstance(value, datetime) else value
    gone = time.time() - at
    if abs(gone) < _NOW_SECONDS:
        return "now"
    # Rounded to what one would say: the seconds of yesterday are nobody's concern.
    size = next((size for size in (86400, 3600, 60) if abs(gone) >= size), 1)
    told = format_duration(abs(gone) // size * size)
    return f"{told} ago" if gone > 0 else f"in {told}"


def _part_address(request: Request, name: str) -> str:
    """Where a page that is shown asks for a part of itself: relative, so it holds behind any proxy."""
    asked = [(key, value) for key, value in request.query_params.multi_items() if key != "part"]
    return "?" + urlencode([*asked, ("part", name)])


def _data(value: Any) -> str:
    """JSON for an attribute of an element; the template escapes it."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), default=str)


@cache
def _version_of(name: str) -> str:
    file = STATIC / name
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12] if file.is_file() else "absent"

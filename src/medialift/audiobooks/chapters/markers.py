"""The marks that lending libraries put into a tag of their mp3 files ("OverDrive MediaMarkers").

    <Markers><Marker><Name>Chapter 1</Name><Time>0:00.000</Time></Marker>…</Markers>

A chapter that goes on in the next file is marked there again, as "Chapter 1 (continued)" or with a time in
brackets: these are left away, so that both are called alike.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

from medialift.audiobooks.chapters.mark import Mark, seconds_of

TAG = "overdrive mediamarkers"
_MARKER = re.compile(
    r"<Marker>\s*<Name>(?P<name>.*?)</Name>\s*<Time>\s*(?P<time>[\d:.]+)\s*</Time>", re.DOTALL | re.IGNORECASE
)
_GOES_ON = re.compile(r"\s*\((?:continued|cont\.?|\d+:\d+(?::\d+)?(?:\.\d+)?)\)\s*\Z", re.IGNORECASE)


def read(tags: Mapping[str, str]) -> list[Mark]:
    """The marks in the tags of a file, in order; none when there is no such tag."""
    marks: list[Mark] = []
    for found in _MARKER.finditer(tags.get(TAG, "")):
        seconds = seconds_of(found["time"])
        name = _GOES_ON.sub("", html.unescape(found["name"])).strip()
        if seconds is not None and not (marks and marks[-1].title == name):
            marks.append(Mark(seconds, name))
    return sorted(marks, key=lambda one: one.seconds)

"""Covers from the web: of limited size, checked by their content, and the largest variant there is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from medialift.audiobooks.metadata.fetching import Fetcher
from medialift.errors import MedialiftError, Transient

LARGEST = 20_000_000
SERVICE = "images"
# Amazon's servers scale a picture by what stands between its name and its ending: "I/91x._SL500_.jpg".
_SCALED = re.compile(r"\._[A-Za-z0-9,_%+-]+_(?=\.(?:jpe?g|png)$)")


@dataclass(frozen=True)
class Picture:
    """A cover as it came: its bytes, what they are, and where from."""

    body: bytes
    kind: Literal["jpeg", "png"]
    url: str

    @property
    def media_type(self) -> str:
        return f"image/{self.kind}"


def largest_url(urls: Sequence[tuple[int, str]]) -> str:
    """The address of the largest picture of (edge in pixels, address); "" when there is none."""
    known = [(edge, url) for edge, url in urls if url.startswith(("https://", "http://"))]
    return max(known)[1] if known else ""


def variants(url: str) -> tuple[str, ...]:
    """Where the picture may lie, the largest first: as it was uploaded, then as it is given."""
    return tuple(dict.fromkeys((_SCALED.sub("", url), url)))


def fetch_cover(url: str, fetcher: Fetcher, *, largest: int = LARGEST) -> tuple[Picture | None, list[str]]:
    """The cover, and what was wrong with variants that were not taken, a sentence each.

    Raises:
        Transient: no variant could be had now.
    """
    problems: list[str] = []
    later: Transient | None = None
    for variant in variants(url):
        try:
            answer = fetcher.get(SERVICE, variant, largest=largest)
        except Transient as error:
            later = error
            continue
        except MedialiftError as error:
            problems.append(str(error))
            continue
        kind = picture_kind(answer.body) if answer is not None else None
        if answer is not None and kind is not None:
            return Picture(answer.body, kind, variant), problems
        problems.append(
            f"There is no picture at {variant}"
            if answer is None
            else f"What lies at {variant} is neither a whole JPEG nor a whole PNG"
        )
    if later is not None:
        raise later
    return None, problems


def picture_kind(body: bytes) -> Literal["jpeg", "png"] | None:
    """What the bytes are by their beginning and their end; None: neither of both, or cut off."""
    if body.startswith(b"\xff\xd8\xff"):
        # Some cameras and shops add bytes behind the end.
        return "jpeg" if b"\xff\xd9" in body[-4096:] else None
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png" if b"IEND\xaeB`\x82" in body[-4096:] else None
    return None

"""The text of small files that people and old programs wrote: nobody says in which encoding."""

from __future__ import annotations

import codecs
from pathlib import Path

from medialift.errors import Permanent

LARGEST = 4 << 20
"""Bytes: a sheet or list of chapters is never larger."""


def text_of(path: Path) -> str:
    """The text of a file: UTF-16 by its mark or its many zero bytes, else UTF-8, else cp1252.

    Raises:
        Permanent: it is far too large for what it should be.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise Permanent(
            "The file is too large for a list of chapters", str(path), "Take it out of the folder"
        )
    return decoded(content)


def decoded(content: bytes) -> str:
    """The text of these bytes; what fits no encoding is replaced, never refused."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    # Western text in UTF-16 has a zero in every second byte; no other text has any.
    if len(content) >= 4 and content[1::2].count(0) > len(content) // 4:
        return content.decode("utf-16-le", errors="replace")
    if len(content) >= 4 and content[0::2].count(0) > len(content) // 4:
        return content.decode("utf-16-be", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")

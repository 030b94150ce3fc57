"""Names that every file system of a library takes: ext4, NTFS, exFAT, and shares over SMB.

Sources: Microsoft, "Naming Files, Paths, and Namespaces" (reserved characters and device names, trailing
dots and spaces); ext4 and most shares hold 255 bytes per name, NTFS 255 units of UTF-16, which are never more
than the bytes of UTF-8; mount.cifs maps reserved characters to U+F001 and on, in the private use area.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 255
"""Bytes of UTF-8 in one name."""

# What a reader would write instead: "Dune: Messiah" is "Dune - Messiah", "Either/Or" is "Either-Or".
_INSTEAD = {
    ":": "-",
    "/": "-",
    "\\": "-",
    "|": "-",
    '"': "'",
    "<": "(",
    ">": ")",
    "?": "",
    "*": "",
}
_RESERVED = re.compile(r'[<>:"/\\|?*]')
_COLON = re.compile(r"\s*:(?=\s)\s*")
# Invisible, and used to make one name look like another.
_DIRECTIONS = frozenset("\u200b\u200e\u200f\u2028\u2029\u2060\ufeff") | {
    chr(code) for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
_DEVICES = re.compile(
    r"^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])\s*(\.|$)", re.IGNORECASE
)
_JOINERS = frozenset("\u200d\ufe0e\ufe0f")


def component(text: str, *, room: int = LONGEST) -> str:
    """One name of a file or folder, as near to `text` as every file system takes it.

    NFC, without control and invisible characters, reserved characters replaced, no dot in front and none at
    the end, not a device of Windows, at most `room` bytes. "" when nothing is left.
    """
    text = unicodedata.normalize("NFC", text)
    text = re.sub(r"\s+", " ", text)
    text = "".join(one for one in text if not _unfit(one))
    text = _COLON.sub(" - ", text)
    text = _RESERVED.sub(lambda found: _INSTEAD[found[0]], text)
    # Once more: what was left out may have stood between a letter and its accent.
    text = unicodedata.normalize("NFC", re.sub(r" {2,}", " ", text)).strip()
    # A dot in front hides it from every library; one at the end is lost on Windows, with its space.
    text = text.lstrip(". ").rstrip(". ")
    if _DEVICES.match(text):
        text = f"_{text}"
    return shortened(text, room)


def shortened(text: str, room: int) -> str:
    """At most `room` bytes of it, cut between characters as a reader sees them."""
    if len(text.encode()) <= room:
        return text
    kept = text.encode()[: max(0, room)].decode(errors="ignore")
    while kept and _joined(kept, text[len(kept)]):
        kept = kept[:-1]
    return kept.rstrip(". ")


def alike(one: str, other: str) -> bool:
    """Whether two names are one on a file system that knows neither case nor forms of unicode."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _unfit(one: str) -> bool:
    # Controls, halves of surrogates, and the private use area, which mount.cifs maps reserved characters to.
    return one in _DIRECTIONS or unicodedata.category(one) in ("Cc", "Cs", "Co")


def _joined(before: str, after: str) -> bool:
    """Whether a cut between both would part what is seen as one."""
    return bool(unicodedata.combining(after)) or after in _JOINERS or before[-1] == "\u200d"

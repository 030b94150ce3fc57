"""Ids of Jellyfin, kinds of pictures, and the names that pictures have in a folder."""

from __future__ import annotations

import re
import unicodedata

from medialift.errors import Permanent

PIPELINE = "posters"
IMAGES = ("Primary", "Backdrop", "Logo", "Thumb", "Banner")
ADDED = ("Backdrop",)
"""Of these an item has several: what is uploaded is added to them, and replaces none."""

ENDINGS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "gif": ".gif"}

_GUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_MARKED = re.compile(r"\[([0-9a-f]{32})\]$", re.IGNORECASE)
_NAME_BYTES = 150
# What ext4, NTFS or SMB take in no name.
_UNFIT = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\[\]]+')


def item_id(text: str) -> str:
    """An id as Jellyfin's API writes it: 32 small hexadecimal digits.

    Raises:
        Permanent: it is none. Jellyfin would answer 400.
    """
    given = text.strip()
    if not _GUID.fullmatch(given):
        raise Permanent(
            "This is no id of Jellyfin",
            given[:100],
            "An id is 32 hexadecimal digits, as in the address of the item's page",
        )
    return given.replace("-", "").lower()


def image_kind(text: str) -> str:
    """One of `IMAGES`.

    Raises:
        Permanent: there is no such kind.
    """
    for one in IMAGES:
        if one.lower() == text.strip().lower():
            return one
    raise Permanent("There is no such kind of picture", text[:100], f"There are: {', '.join(IMAGES)}")


def file_name(name: str, id: str, format: str) -> str:
    """The name of a picture's file: readable, and with the id, by which it is known again."""
    plain = unicodedata.normalize("NFC", "".join(one for one in name if one.isprintable()))
    fit = " ".join(_UNFIT.sub(" ", plain).split()).strip(". ")
    short = fit.encode()[:_NAME_BYTES].decode(errors="ignore").rstrip(". ")
    return f"{short} [{id}]{ENDINGS[format]}".lstrip()


def id_of_file(stem: str) -> str | None:
    """The id in a file's name without its ending: `Name [ID]`, or nothing but the id; None: there is none."""
    marked = _MARKED.search(stem)
    if marked is not None:
        return marked[1].lower()
    return item_id(stem) if _GUID.fullmatch(stem) else None

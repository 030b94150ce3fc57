"""Where in the object store a media file lies: the mount's names, told as keys.

Plex names a file as its container sees it (`/cloud/media/Movies/a.mkv`); the mount shows a bucket, or what
lies below a prefix of it. Names are compared as bytes, never normalised: é has two spellings, and two keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from medialift.cloud import objects
from medialift.cloud.objects import ObjectFacts, Store

# What rclone writes instead of characters that a file's name cannot have, as its mounts of S3 show them (seen
# with 1.75; its docs: "Restricted filenames"): control pictures for control characters, a quote before a real
# one of these and before the digits of a byte that is no UTF-8, full-width dots where a part of the name is
# only dots.
_QUOTE = "\u201b"
_PICTURES = {chr(0x2400 + code): chr(code) for code in range(0x20)} | {"\u2421": "\x7f"}
_DOTS = {"\uff0e": ".", "\uff0e\uff0e": ".."}
_WRITTEN = re.compile(f"{_QUOTE}([89A-F][0-9A-F])|{_QUOTE}(.)|([{''.join(_PICTURES)}])", re.DOTALL)


@dataclass(frozen=True)
class MediaPlace:
    """A folder of the container and what it shows of the store.

    Attributes:
        root: the folder, without a slash at its end (`/cloud/media`).
        bucket, prefix: what is mounted there; the prefix has no slash at its ends, "" for the whole bucket.
    """

    root: str
    bucket: str
    prefix: str = ""

    def keys(self, file: str) -> tuple[str, ...]:
        """The keys under which a file may lie; () when it is not below this folder.

        Nearly always one. A name in which rclone may have replaced characters has two: as it is written, and
        as it may be meant. It is gone only when both are.
        """
        if not file.startswith(self.root + "/"):
            return ()
        name = file[len(self.root) + 1 :]
        before = f"{self.prefix}/" if self.prefix else ""
        return tuple(dict.fromkeys((before + name, before + _as_meant(name))))

    def file(self, key: str) -> str:
        """The file that shows an object of this name; for names without replaced characters."""
        return f"{self.root}/{key[len(self.prefix) + 1 if self.prefix else 0 :]}"


@dataclass(frozen=True)
class MediaStore:
    """The store that media are read from, and which folder shows which part of it."""

    store: Store
    places: tuple[MediaPlace, ...]

    def place_of(self, file: str) -> MediaPlace | None:
        """Where a file lies: in the innermost place around it; None when it is in none."""
        around = [place for place in self.places if place.keys(file)]
        return max(around, key=lambda place: len(place.root), default=None)

    def divided(self, folders: Iterable[str]) -> MediaStore:
        """The same, with each of these folders a place of its own.

        What is known of one folder says little of another: several buckets may be shown in one root, and a
        store may allow one folder and hide the next.
        """
        made = list(self.places)
        for folder in dict.fromkeys(folder.rstrip("/") for folder in folders):
            place = self.place_of(f"{folder}/x")
            keys = place.keys(f"{folder}/x") if place else ()
            # One whose name may mean two keys stays a part of what is around it.
            if place and place.root != folder and len(keys) == 1:
                made.append(MediaPlace(folder, place.bucket, keys[0].removesuffix("/x")))
        return replace(self, places=tuple(made))

    def check(self) -> None:
        """Prove that each place can be asked.

        Raises:
            Permanent: wrong credentials, no such bucket, or the store refuses.
            Transient: it cannot be reached, or is busy.
        """
        for place in self.places:
            objects.check(self.store, place.bucket, write=False, prefix=place.prefix)

    def listed(self, place: MediaPlace, folder: str = "") -> Iterator[ObjectFacts]:
        """Every object that a place shows below one of its folders, in order of key.

        Raises:
            Permanent, Transient: the store refuses, or fails for longer than its patience.
        """
        key = place.keys(f"{folder}/x")[0][:-1] if folder and folder != place.root else ""
        return objects.list_objects(
            self.store, place.bucket, key or (f"{place.prefix}/" if place.prefix else "")
        )


def _as_meant(name: str) -> str:
    """A name with what rclone replaced put back."""

    def meant(found: re.Match[str]) -> str:
        # Such a byte cannot be asked for, so a file with one is never found to be gone.
        byte, quoted, picture = found.groups()
        return chr(0xDC00 + int(byte, 16)) if byte else quoted or _PICTURES[picture]

    plain = _WRITTEN.sub(meant, name)
    return "/".join(_DOTS.get(part, part) for part in plain.split("/"))


def places(roots: Sequence[str], stores: Sequence[tuple[str, str, str]]) -> tuple[MediaPlace, ...]:
    """Places from (root, bucket, prefix); a root that is "" means the only one of `roots`.

    Raises:
        ValueError: it is not told which folder a bucket is for, or one is told twice.
    """
    made = []
    for root, bucket, prefix in stores:
        if not root and len(roots) != 1:
            raise ValueError("the bucket of each root is needed: say which root it is for")
        if not bucket:
            raise ValueError("a bucket has a name")
        made.append(MediaPlace((root or roots[0]).rstrip("/"), bucket, prefix.strip("/")))
    if len({place.root for place in made}) != len(made):
        raise ValueError("a root has one bucket")
    return tuple(made)

"""In a new library nothing was there before: what the store holds takes its place.

The objects below a section's roots that look like its media are compared, name by name, with the files that
Plex took in: so films in two parts, second versions and trailers count as the files that they are. Plex
leaves some out for good reasons (a sample, a name that tells nothing), so some may be missing, but not many.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from medialift.plex.media_store import MediaStore
from medialift.plex.server import Section

# Files that Plex may leave out of a new library, as a number and as a share, before it is a sign that its
# scan did not see them. What is looked for is a mount that failed: that costs most of a section, not a file.
LEFT_NUMBER = 3
LEFT_SHARE = 0.10

NAMED = 3

# What Plex's scanners take for media, without what they only take with others beside it (disc images).
_VIDEO = "3gp asf avi divx dv flv m2t m2ts m2v m4v mkv mov mp4 mpeg mpg mts ogm ogv rm rmvb ts webm wmv wtv"
_AUDIO = "aac aif aiff alac ape dsf flac m4a m4b mka mp2 mp3 mpc oga ogg opus wav wma wv"
_PICTURE = "bmp gif heic jpeg jpg png tif tiff webp"
EXTENSIONS = {
    kind: frozenset(names.split())
    for kind, names in {"movie": _VIDEO, "show": _VIDEO, "artist": _AUDIO, "photo": _PICTURE}.items()
}

# Videos beside the media, by the names that Plex's documentation gives them ("Local Media Assets", "Trailers
# and Extras"), and samples, which its scanners pass over.
_BESIDE_FOLDERS = frozenset(
    [
        *("behind the scenes", "deleted scenes", "featurettes", "interviews", "scenes", "shorts", "trailers"),
        *("other", "extras", "sample", "samples", "bonus", "plex versions"),
    ]
)
_BESIDE_NAMES = re.compile(
    r"(^sample$|[-._ ]sample$|-(trailer|behindthescenes|deleted|featurette|interview|scene|short|other)$)",
    re.I,
)


@dataclass(frozen=True)
class LeftOut:
    """Media of a section that are in the store and not in its library.

    Attributes:
        objects: media objects below the section's roots.
        missing: how many of them Plex did not take in.
        named: the first of those, as files.
    """

    objects: int
    missing: int
    named: tuple[str, ...] = ()

    def reason(self, name: str) -> str:
        """Why an archive of this needs a person's word; "" when it needs none."""
        if self.missing <= max(LEFT_NUMBER, LEFT_SHARE * self.objects):
            return ""
        return (
            f"{name}: {self.missing} of the {self.objects} media files in the store are not in the library, "
            f"such as {', '.join(self.named)}"
        )


def left_out(media: MediaStore, section: Section, files: Collection[str]) -> LeftOut:
    """Compare what the store holds for a section with the files of its living items.

    Costs one listing of the section's roots, a thousand objects a request. A root that is on no known bucket
    is passed over.

    Raises:
        Permanent, Transient: the store refuses, or fails for longer than its patience.
    """
    objects, missing, named = 0, 0, list[str]()
    for file in _media_files(media, section):
        objects += 1
        if file not in files:
            missing += 1
            if len(named) < NAMED:
                named.append(file)
    return LeftOut(objects, missing, tuple(named))


def is_media(kind: str, name: str) -> bool:
    """Whether an object of this name, relative to a root, is one that Plex should have in a section."""
    *folders, last = name.split("/")
    stem, dot, suffix = last.rpartition(".")
    if not dot or suffix.lower() not in EXTENSIONS.get(kind, ()):
        return False
    if last.startswith(".") or any(folder.startswith((".", "@")) for folder in folders):
        return False
    if kind not in ("movie", "show"):
        return True
    return not (_BESIDE_NAMES.search(stem) or any(one.lower() in _BESIDE_FOLDERS for one in folders))


def _media_files(media: MediaStore, section: Section) -> Iterator[str]:
    seen: set[str] = set()
    for root in section.locations:
        place = media.place_of(f"{root}/x")
        if place is None:
            continue
        for found in media.listed(place, root):
            file = place.file(found.key)
            # Roots of a section may lie inside each other.
            if found.size and file not in seen and is_media(section.type, file[len(root) + 1 :]):
                seen.add(file)
                yield file

"""An inbox as people fill it: ten kinds of audiobook that become one M4B each, and two that must fail.

Each is spoken, a few seconds per part, and says what is to become of it: who wrote it, how many chapters it
has, and how it gets there. The catalogue of the stand-in for Audible knows the same books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.audiobooks import broken
from sandbox.audiobooks.recordings import picture, speak

_LINES = (
    "The keeper wrote the weather into his ledger, as every night.",
    "Nobody in the harbour had seen the boat go out.",
    "In the morning the lamp was cold, and the book was gone.",
    "What the tide brings, the tide takes away again.",
)


@dataclass(frozen=True)
class Volume:
    """One book of the inbox and what is to become of it.

    Attributes:
        kind: the kind of book that it stands for: cbr, discs, protected, …
        told: the same for people.
        folder: where it lies in the inbox.
        chapters: how many the finished book has; 0: it must fail.
        how: what conversion does with it (converted, spliced, passed_through); "" when it must fail.
        why: a word of the reason with which it must fail.
        series, number: its place in a series.
    """

    kind: str
    told: str
    folder: str
    title: str
    asin: str
    chapters: int
    how: str = "converted"
    author: str = "Ada Harbour"
    narrator: str = "Ned Reader"
    series: str = ""
    number: str = ""
    why: str = ""

    @property
    def fails(self) -> bool:
        return not self.chapters

    @property
    def place(self) -> str:
        """Where it is to lie below the root of a library."""
        name = f"{int(self.number):02} - {self.title}" if self.number else self.title
        return "/".join([self.author, *([self.series] if self.series else []), name, f"{name}.m4b"])


def _named(title: str, asin: str) -> str:
    return f"Ada Harbour - {title} [{asin}]"


def _one(kind: str, told: str, title: str, number: int, **more: object) -> Volume:
    asin = f"B0DEMO{number:04}"
    given: dict[str, object] = {"folder": _named(title, asin), "chapters": 3, **more}
    return Volume(kind=kind, told=told, title=title, asin=asin, **given)  # type: ignore[arg-type]


VOLUMES: tuple[Volume, ...] = (
    _one("cbr", "MP3, constant rate", "A Constant Tide", 1),
    _one("vbr", "MP3, variable rate", "Variable Winds", 2),
    _one("m4a", "M4A in parts", "Parts of the Whole", 3, how="spliced"),
    _one("m4b", "M4B that is right", "Already Bound", 4, how="passed_through"),
    _one("flac", "FLAC", "Lossless Summer", 5),
    _one("ogg", "Ogg Vorbis", "The Vorbis Letters", 6),
    _one("opus", "Opus", "Opus Eleven", 7),
    _one("wma", "WMA", "Windows on the Sea", 8),
    _one("discs", "two discs", "The Lighthouse Ledger", 9, chapters=4),
    *(
        Volume(
            "series",
            f"series, book {number}",
            f"Harbour Tales/{number} - {title} [B0DEMO{9 + number:04}]",
            title,
            f"B0DEMO{9 + number:04}",
            2,
            series="Harbour Tales",
            number=str(number),
        )
        for number, title in ((1, "The First Mooring"), (2, "The Second Mooring"))
    ),
    _one("protected", "protected (DRM)", "Locked Away", 12, chapters=0, how="", why="protected"),
    _one("corrupt", "damaged", "Washed Out", 13, chapters=0, how="", why=""),
)
KINDS = tuple(dict.fromkeys(one.kind for one in VOLUMES))


def stock(
    inbox: Path,
    kinds: Iterable[str] = KINDS,
    *,
    local: bool = False,
    seconds: float = 4.0,
    tell: Callable[[Volume], object] = lambda _volume: None,
) -> list[Volume]:
    """Fill an inbox with books of these kinds.

    Args:
        local: what a book is lies beside it, in metadata.yml: no catalogue is needed.
        seconds: how long one part plays.
        tell: is told of each book that lies there.
    """
    wanted, found = set(kinds), []
    for volume in VOLUMES:
        if volume.kind not in wanted:
            continue
        folder = inbox / volume.folder
        _lay(volume, folder, seconds)
        picture(folder / "cover.jpg", size=96)
        if local:
            (folder / "metadata.yml").write_text(_metadata(volume), encoding="utf-8")
        found.append(volume)
        tell(volume)
    return found


def _lay(volume: Volume, folder: Path, seconds: float) -> None:
    if volume.kind == "protected":
        broken.protected(folder / "Locked Away.m4b", b"aavd", b"M4B ")
    elif volume.kind == "corrupt":
        _part(volume, folder / "01 - Ashore.m4a", 1, seconds, codec="m4a")
        # An interrupted copy: what says how it is coded stands at its end.
        whole = speak(_LINES[1], folder / "02 - Adrift.m4a", codec="m4a", seconds=seconds)
        broken.cut_off(whole, whole.path)
    elif volume.kind == "m4b":
        tags = _tags(volume)
        starts = [(number * seconds, f"Chapter {number + 1}") for number in range(volume.chapters)]
        path = folder / f"{volume.title}.m4b"
        whole_length = seconds * volume.chapters
        speak(
            " ".join(_LINES[:3]),
            path,
            codec="m4b",
            tags=tags,
            chapters=starts,
            seconds=whole_length,
            cover=picture(folder / "cover.jpg", size=96),
        )
    elif volume.kind == "discs":
        for disc in (1, 2):
            for track in (1, 2):
                path = folder / f"CD{disc}" / f"{track:02}.mp3"
                _part(volume, path, 2 * (disc - 1) + track, seconds, track=str(track), disc=f"{disc}/2")
    else:
        ending = {"cbr": "mp3", "vbr": "mp3", "series": "mp3"}.get(volume.kind, volume.kind)
        for number in range(1, volume.chapters + 1):
            path = folder / f"{number:02} - Chapter {number}.{ending}"
            _part(volume, path, number, seconds, codec=ending, vbr=volume.kind == "vbr")


def _part(
    volume: Volume,
    path: Path,
    number: int,
    seconds: float,
    *,
    codec: str = "mp3",
    vbr: bool = False,
    **tags: str,
) -> None:
    told = {**_tags(volume), "title": f"Chapter {number}", "track": str(number), **tags}
    text = f"Chapter {number} of {volume.title}. {_LINES[(number - 1) % len(_LINES)]}"
    speak(text, path, codec=codec, vbr=vbr, seconds=seconds, tags=told)


def _tags(volume: Volume) -> Mapping[str, str]:
    return {"album": volume.title, "artist": volume.author, "composer": volume.narrator}


def _metadata(volume: Volume) -> str:
    lines = [
        f"title: {volume.title}",
        f"authors: [{volume.author}]",
        f"narrators: [{volume.narrator}]",
        f"asin: {volume.asin}",
    ]
    if volume.series:
        lines += [f"series: {volume.series}", f'seriesPosition: "{volume.number}"']
    return "\n".join([*lines, ""])

"""What a file is, from its name and tags, by the naming rules that Plex documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from sandbox.plex import rows

VIDEO = {".mkv", ".mp4", ".avi", ".m4v", ".mov"}
AUDIO = {".mp3", ".flac", ".m4a", ".m4b", ".ogg", ".opus"}
PICTURE = {".jpg", ".jpeg", ".png"}
SUBTITLE = {".srt", ".ass", ".sub", ".vtt"}
EXTENSIONS = {"movie": VIDEO, "show": VIDEO, "artist": AUDIO, "photo": PICTURE}
EXTRA = re.compile(r"-(trailer|behindthescenes|deleted|featurette|interview|scene|short|other)$", re.I)

WITH_YEAR = re.compile(r"^(?P<title>.+?)\s*\((?P<year>\d{4})\)")
NUMBERED = re.compile(r"[sS](?P<season>\d{1,4})[ ._-]?[eE](?P<episode>\d{1,4})")
TRACK = re.compile(r"^(?P<number>\d{1,3})[ ._-]+(?P<title>.+)$")


@dataclass(frozen=True)
class Level:
    """One item of the library on the way from show or artist down to the file's own item."""

    kind: int
    title: str
    guid: str
    index: int | None = None
    year: int | None = None


def identify(section_type: str, relative: str, tags: dict[str, str]) -> tuple[Level, ...]:
    """The items a file belongs to, outermost first; empty when the name tells nothing.

    Args:
        section_type: movie, show, artist or photo.
        relative: path below the section's root.
        tags: of the file, {} for video and photos.
    """
    path = PurePosixPath(relative)
    if section_type == "movie":
        return (_movie(path),)
    if section_type == "show":
        return _episode(path)
    if section_type == "artist":
        return _track(path, tags)
    return _photo(path)


def is_extra(relative: str) -> bool:
    """Whether a video is a local extra, which Plex knows by the `file://` url of its path."""
    return bool(EXTRA.search(PurePosixPath(relative).stem))


def subtitle_language(media: PurePosixPath, subtitle: PurePosixPath) -> str | None:
    """Language of a subtitle file ('' when its name has none), None when it belongs to another video."""
    if subtitle.parent != media.parent or not subtitle.name.startswith(media.stem + "."):
        return None
    between = subtitle.name[len(media.stem) + 1 : -len(subtitle.suffix)].strip(".")
    return between.split(".")[0]


def _movie(path: PurePosixPath) -> Level:
    for name in (path.stem, path.parent.name):
        found = WITH_YEAR.match(name)
        if found:
            title, year = found["title"], int(found["year"])
            return Level(rows.MOVIE, title, rows.guid_of(rows.MOVIE, title, year), year=year)
    return Level(rows.MOVIE, path.stem, rows.guid_of(rows.MOVIE, path.stem, None))


def _episode(path: PurePosixPath) -> tuple[Level, ...]:
    numbers = NUMBERED.search(path.stem)
    if not numbers or len(path.parts) < 2:
        return ()
    folder = WITH_YEAR.match(path.parts[0])
    show = folder["title"] if folder else path.parts[0]
    season, episode = int(numbers["season"]), int(numbers["episode"])
    title = path.stem[numbers.end() :].strip(" -._") or f"Episode {episode}"
    return (
        Level(rows.SHOW, show, rows.guid_of(rows.SHOW, show), year=int(folder["year"]) if folder else None),
        Level(rows.SEASON, f"Season {season}", rows.guid_of(rows.SEASON, show, season), index=season),
        Level(rows.EPISODE, title, rows.guid_of(rows.EPISODE, show, season, episode), index=episode),
    )


def _track(path: PurePosixPath, tags: dict[str, str]) -> tuple[Level, ...]:
    parts = path.parts
    artist = (
        tags.get("albumartist") or tags.get("artist") or (parts[0] if len(parts) > 2 else "Unknown Artist")
    )
    album = tags.get("album") or (parts[-2] if len(parts) > 1 else "Unknown Album")
    named = TRACK.match(path.stem)
    number_text = tags.get("track", "").split("/")[0] or (named["number"] if named else "0")
    number = int(number_text) if number_text.isdigit() else 0
    title = tags.get("title") or (named["title"] if named else path.stem)
    return (
        Level(rows.ARTIST, artist, rows.guid_of(rows.ARTIST, artist)),
        Level(rows.ALBUM, album, rows.guid_of(rows.ALBUM, artist, album), index=1),
        Level(rows.TRACK, title, rows.guid_of(rows.TRACK, artist, album, number), index=number),
    )


def _photo(path: PurePosixPath) -> tuple[Level, ...]:
    photo = Level(rows.PHOTO, path.stem, f"local://{rows.sha1(str(path))[:16]}")
    if len(path.parts) < 2:
        return (photo,)
    folder = str(path.parent)
    return (Level(rows.PHOTO_ALBUM, path.parent.name, f"local://{rows.sha1(folder)[:16]}"), photo)

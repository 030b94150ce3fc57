"""Which files a library has: pure functions of seed and number, so a larger library holds the smaller."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["movie", "episode", "mp3", "flac", "photo", "subtitle", "trailer"]

# Ten files in a row: what each is. Companions (subtitles, trailers) come on top and are not counted.
PATTERN: tuple[Kind, ...] = (
    "movie",
    "episode",
    "mp3",
    "photo",
    "movie",
    "episode",
    "flac",
    "mp3",
    "movie",
    "episode",
)
# fmt: off
ADJECTIVES = (
    "Silent", "Golden", "Broken", "Distant", "Hidden", "Frozen", "Burning", "Crooked", "Gentle",
    "Hollow", "Iron", "Jagged", "Lonely", "Midnight", "Narrow", "Open", "Pale", "Quiet", "Restless",
    "Scarlet", "Tangled", "Upper", "Velvet", "Wandering", "Yellow", "Bitter", "Copper", "Drifting",
    "Early", "Faded",
)
# fmt: on
# fmt: off
NOUNS = (
    "River", "Harbour", "Garden", "Mirror", "Station", "Letter", "Orchard", "Bridge", "Winter",
    "Machine", "Island", "Lantern", "Mountain", "Clock", "Forest", "Window", "Voyage", "Season",
    "Signal", "Castle", "Desert", "Engine", "Feather", "Glacier", "Horizon", "Journey", "Kingdom",
    "Meadow", "Ocean", "Parade", "Quarry",
)
# fmt: on
# Names as people have them: quotes, percent and comma, umlauts composed and decomposed, other scripts, &, #.
ODD = (
    "{}'s Reply",
    'The "{}" Affair',
    "100% {}, Part 2",
    "{} am Flüßchen",
    "NFD:Café {}",
    "{} & Söhne #1",
    "七つの{}",
    "{} [Uncut] {{x}}",
)
ODD_EVERY = 3
EPISODES_PER_SEASON, SEASONS = 6, 2
TRACKS_PER_ALBUM, ALBUMS = 8, 2
PHOTOS_PER_ALBUM = 12


@dataclass(frozen=True)
class MediaFile:
    """One file. `key` is its path below the library's root and its name in the bucket; tags are for audio."""

    key: str
    kind: Kind
    title: str
    number: int
    tags: tuple[tuple[str, str], ...] = ()


def plan(files: int, seed: int, start: int = 0) -> Iterator[MediaFile]:
    """Media files number `start` to `files` - 1 of the library with this seed, each with its companions."""
    for index in range(start, files):
        ten, place = divmod(index, len(PATTERN))
        kind = PATTERN[place]
        family = ("mp3", "flac") if kind in ("mp3", "flac") else (kind,)
        before = sum(1 for other in PATTERN[:place] if other in family)
        number = ten * sum(1 for other in PATTERN if other in family) + before
        if kind == "movie":
            yield from _movie(number, seed)
        elif kind == "episode":
            yield from _episode(number, seed)
        elif kind == "photo":
            yield _photo(number, seed)
        else:
            yield _track(number, seed, kind)


def _movie(number: int, seed: int) -> Iterator[MediaFile]:
    title = _name(number, seed, "movie")
    name = f"{title} ({1950 + _digest(seed, 'year', number) % 70})"
    stem = f"Movies/{name}/{name}"
    yield MediaFile(f"{stem}.mkv", "movie", title, number)
    if number % 4 == 1:
        yield MediaFile(f"{stem}.en.srt", "subtitle", title, number)
    if number % 15 == 7:
        yield MediaFile(f"Movies/{name}/{name}-trailer.mkv", "trailer", f"{title} trailer", number)


def _episode(number: int, seed: int) -> Iterator[MediaFile]:
    show_number, inside = divmod(number, EPISODES_PER_SEASON * SEASONS)
    season, episode = (part + 1 for part in divmod(inside, EPISODES_PER_SEASON))
    show, title = _name(show_number, seed, "show"), _name(number, seed, "episode")
    stem = f"TV Shows/{show}/Season {season:02}/{show} - S{season:02}E{episode:02} - {title}"
    yield MediaFile(f"{stem}.mkv", "episode", title, number)
    if number % 8 == 2:
        yield MediaFile(f"{stem}.de.srt", "subtitle", title, number)


def _track(number: int, seed: int, kind: Kind) -> MediaFile:
    artist_number, inside = divmod(number, TRACKS_PER_ALBUM * ALBUMS)
    album_number, track = divmod(inside, TRACKS_PER_ALBUM)
    artist = "The " + _name(artist_number, seed, "artist") + "s"
    album = _name(artist_number * ALBUMS + album_number, seed, "album")
    title = _name(number, seed, "track")
    tags = (("artist", artist), ("album", album), ("title", title), ("tracknumber", str(track + 1)))
    key = f"Music/{artist}/{album}/{track + 1:02} - {title}.{kind}"
    return MediaFile(key, kind, title, number, tags)


def _photo(number: int, seed: int) -> MediaFile:
    album, inside = divmod(number, PHOTOS_PER_ALBUM)
    folder = _name(album, seed, "photos")
    return MediaFile(f"Photos/{folder}/IMG_{inside + 1:04}.jpg", "photo", f"{folder} {inside + 1}", number)


def _name(number: int, seed: int, what: str) -> str:
    """A name that no other number of this kind has: words walk through all pairs, then count on."""
    pairs = len(ADJECTIVES) * len(NOUNS)
    volume, place = divmod(number, pairs)
    # 389 shares no factor with the 930 pairs, so the walk meets each pair once.
    at = (place * 389 + _digest(seed, what, 0)) % pairs
    name = f"{ADJECTIVES[at % len(ADJECTIVES)]} {NOUNS[at // len(ADJECTIVES)]}"
    if volume:
        name += f" {volume + 1}"
    if what in ("movie", "show", "album", "track") and number % ODD_EVERY == 2:
        odd = ODD[(number // ODD_EVERY) % len(ODD)].format(name)
        form: Literal["NFC", "NFD"] = "NFD" if odd.startswith("NFD:") else "NFC"
        return unicodedata.normalize(form, odd.removeprefix("NFD:"))
    return name


def _digest(seed: int, what: str, number: int) -> int:
    return int.from_bytes(hashlib.sha1(f"{seed}|{what}|{number}".encode()).digest()[:6], "big")

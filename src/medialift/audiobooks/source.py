"""What one audio file is: as its headers say. Lengths in headers are never trusted for chapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class EmbeddedChapter:
    """A chapter that a file brings along: seconds from its beginning."""

    start: float
    end: float
    title: str


@dataclass(frozen=True)
class Source:
    """One audio file.

    Attributes:
        container: as ffprobe calls it: mp3, "mov,mp4,m4a,3gp,3g2,mj2", flac, ogg, asf, wav, aac.
        codec: aac, mp3, flac, vorbis, opus, wmav2, pcm_s16le; `profile` LC, HE-AAC, "" when there is none.
        rate: Hz. channels: 1, 2 or more. bitrate: bit/s of the audio, 0 when unknown.
        seconds: about how long, for progress and limits only.
        tags: names in lower case, of the file and of its stream.
        cover: index of the stream of its picture; None when it has none.
    """

    path: Path
    container: str
    codec: str
    profile: str
    rate: int
    channels: int
    bitrate: int
    seconds: float
    stream: int = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    chapters: tuple[EmbeddedChapter, ...] = ()
    cover: int | None = None

"""A few real files of each kind from ffmpeg, and how each file of the library is made from one of them.

ffmpeg runs a few times only, however many files are wanted. A file's own part is its title: in a video it
replaces a title of the same length that was muxed in, in audio it is tagged, in a picture it is a comment.
"""

from __future__ import annotations

import io
import os
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mutagen.flac import FLAC
from mutagen.id3 import ID3, TALB, TIT2, TPE1, TRCK

from sandbox.media.plan import MediaFile

TITLE_BYTES = 120
PLACE = b"TITLE" + b"." * (TITLE_BYTES - 5)
EXACT = ("-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", "-threads", "1")
# The last video is larger than 64 KiB, so that its head and its tail are hashed apart.
VIDEOS = (
    ("testsrc=size=192x108:rate=10:duration=0.5", "30"),
    ("testsrc2=size=192x108:rate=10:duration=0.6", "30"),
    ("smptebars=size=192x108:rate=10:duration=0.8", "30"),
    ("nullsrc=size=192x108:rate=10:duration=0.6,geq=random(1)*255:128:128", "12"),
)
TONES = (220, 330, 440)
PICTURES = ("testsrc=size=64x48", "testsrc2=size=64x48", "smptebars=size=64x48")
SUBTITLE = "1\n00:00:00,000 --> 00:00:00,400\n{}\n"


@dataclass(frozen=True)
class Templates:
    """Bytes of the files that all others are made from."""

    videos: tuple[bytes, ...]
    mp3s: tuple[bytes, ...]
    flacs: tuple[bytes, ...]
    pictures: tuple[bytes, ...]

    def make(self, file: MediaFile, seed: int) -> bytes:
        """The content of one file: no two files of a library have the same."""
        mark = f"{file.title} [{seed}:{file.kind}:{file.number}]"
        if file.kind in ("movie", "episode", "trailer"):
            return _video(self.videos[file.number % len(self.videos)], mark)
        if file.kind == "mp3":
            return _mp3(self.mp3s[file.number % len(self.mp3s)], file)
        if file.kind == "flac":
            return _flac(self.flacs[file.number % len(self.flacs)], file)
        if file.kind == "photo":
            return _picture(self.pictures[file.number % len(self.pictures)], mark)
        return SUBTITLE.format(mark).encode()


def build() -> Templates:
    """Run ffmpeg for all templates.

    Raises:
        RuntimeError: ffmpeg failed; its last words are in the message.
    """
    video = [
        [
            *("-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", "sine=frequency=440:duration=0.5"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-crf", quality, "-pix_fmt", "yuv420p"),
            *("-c:a", "aac", "-b:a", "32k", *EXACT, "-metadata", f"title={PLACE.decode()}"),
            # Without checksums the title can be replaced in place.
            *("-write_crc32", "0", "-f", "matroska"),
        ]
        for picture, quality in VIDEOS
    ]
    tone = [["-f", "lavfi", "-i", f"sine=frequency={hertz}:duration=1"] for hertz in TONES]
    mp3 = [
        [
            *(*source, "-c:a", "libmp3lame", "-b:a", "64k", "-id3v2_version", "0", "-write_xing", "0"),
            *(*EXACT, "-f", "mp3"),
        ]
        for source in tone
    ]
    flac = [[*source, "-c:a", "flac", *EXACT, "-f", "flac"] for source in tone]
    picture = [
        ["-f", "lavfi", "-i", source, "-frames:v", "1", "-c:v", "mjpeg", *EXACT, "-f", "image2"]
        for source in PICTURES
    ]
    commands = [*video, *mp3, *flac, *picture]
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        made = list(pool.map(_ffmpeg, commands))
    first, second, third = len(video), len(video) + len(mp3), len(video) + len(mp3) + len(flac)
    return Templates(
        tuple(made[:first]), tuple(made[first:second]), tuple(made[second:third]), tuple(made[third:])
    )


def _ffmpeg(arguments: Sequence[str]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="medialift-media-") as folder:
        out = Path(folder, "out")
        # A file, not a pipe: muxers write their headers again at the end.
        command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments, str(out)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"ffmpeg failed: {done.stderr.strip()[-500:]}")
        return out.read_bytes()


def _video(template: bytes, mark: str) -> bytes:
    text = mark.encode()
    if len(text) > TITLE_BYTES:
        # Cut in front, where the title is: the end tells the files apart. Never inside a character.
        text = text[-TITLE_BYTES:].decode(errors="ignore").encode()
    if PLACE not in template:
        raise RuntimeError("The video template lost its title's place")
    return template.replace(PLACE, text.ljust(TITLE_BYTES, b" "))


def _mp3(template: bytes, file: MediaFile) -> bytes:
    tags = dict(file.tags)
    out = io.BytesIO(template)
    made = ID3()
    for frame, name in ((TIT2, "title"), (TPE1, "artist"), (TALB, "album"), (TRCK, "tracknumber")):
        made.add(frame(encoding=3, text=tags[name]))
    made.save(out, v2_version=4, padding=lambda _: 0)
    return out.getvalue()


def _flac(template: bytes, file: MediaFile) -> bytes:
    out = io.BytesIO(template)
    made = FLAC(out)
    for name, value in file.tags:
        made[name] = value
    out.seek(0)
    made.save(out, padding=lambda _: 0)
    return out.getvalue()


def _picture(template: bytes, mark: str) -> bytes:
    comment = mark.encode()
    # A COM segment right behind the start of the image.
    return template[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + template[2:]

"""What a file is, by its contents: ffprobe is asked, and what can become no book is refused with the reason.

The ending of a name says nothing: sound under a wrong ending is taken, text that is called .mp3 is not. Only
containers of sound are looked into, so no playlist can lead ffprobe to other files.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

from medialift.audiobooks.claims import missing
from medialift.audiobooks.programs import Programs
from medialift.audiobooks.protection import protection
from medialift.audiobooks.source import EmbeddedChapter, Source
from medialift.errors import MedialiftError, Permanent, Transient
from medialift.foundation import process

CONTAINERS = "aac,ac3,aiff,amr,ape,asf,caf,eac3,flac,matroska,webm,mov,mp4,m4a,mp3,ogg,tta,w64,wav,wv"
"""What ffmpeg may open (`-format_whitelist`): containers of sound, none that names other files."""

_TECHNICAL = frozenset(
    ("major_brand", "minor_version", "compatible_brands", "handler_name", "vendor_id", "encoder")
)
_UNDETERMINED = "und"
# What comes and goes with a network or a mount: the file may be there again in a minute.
_PASSING = frozenset((errno.ENOENT, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EAGAIN))


def probe(path: Path, programs: Programs, *, stop: Event | None = None, timeout: float = 60.0) -> Source:
    """What an audio file is.

    Raises:
        Permanent: it is empty, protected (DRM), truncated, unreadable for us, or holds no sound.
        Transient: it is not there now, or ffprobe did not answer in time.
    """
    try:
        if not path.stat().st_size:
            raise Permanent("The file is empty", str(path), "Copy it again, or take it out of the folder")
        if protected := protection(path):
            raise Permanent(
                f"The file is protected ({protected})",
                str(path),
                "Only files without DRM can be converted: get it in another form",
            )
        told = _ask(path, programs, stop, timeout)
        source = _source(path, told)
        if lacking := missing(path, source.container):
            raise Permanent(
                "The file is truncated",
                str(path),
                f"It lacks {lacking} of the bytes that its header claims: copy it again. If it plays to its "
                "end all the same, have its header written anew: ffmpeg -i OLD -c copy NEW",
            )
    except OSError as error:
        raise unreadable(path, error) from error
    return source


def probe_all(
    parts: Sequence[Path],
    programs: Programs,
    *,
    stop: Event | None = None,
    timeout: float = 60.0,
    at_once: int = 4,
) -> list[Source]:
    """What several files are, in their order; `at_once` are asked side by side.

    Raises:
        Permanent: some cannot be taken: all of them are named, not only the first.
        Transient: as `probe`; it goes before Permanent, since what is not there now tells nothing.
    """
    with ThreadPoolExecutor(max_workers=max(1, at_once)) as pool:
        answers = list(pool.map(lambda path: _probed(path, programs, stop, timeout), parts))
    errors = [one for one in answers if isinstance(one, MedialiftError)]
    if errors:
        raise _together(errors)
    return [one for one in answers if isinstance(one, Source)]


def unreadable(path: Path, error: OSError) -> MedialiftError:
    """The error of a file that cannot be read: what passes by itself is Transient."""
    reason = error.strerror or type(error).__name__
    if error.errno in _PASSING:
        return Transient(f"The file cannot be read now ({reason})", str(path), "Is its disk or share there")
    return Permanent(f"The file cannot be read ({reason})", str(path), "Check its owner and its permissions")


def _probed(path: Path, programs: Programs, stop: Event | None, timeout: float) -> Source | MedialiftError:
    try:
        return probe(path, programs, stop=stop, timeout=timeout)
    except MedialiftError as error:
        return error


def _together(errors: Sequence[MedialiftError]) -> MedialiftError:
    first = next((one for one in errors if isinstance(one, Transient)), errors[0])
    same_kind = [one for one in errors if one is not first and type(one) is type(first)]
    if not same_kind:
        return first
    more = "; ".join(f"{one.what}: {one.subject}" for one in same_kind)
    return type(first)(first.what, first.subject, f"{first.hint}. Also: {more}")


def _ask(path: Path, programs: Programs, stop: Event | None, timeout: float) -> Mapping[str, Any]:
    argv = [programs.ffprobe, "-v", "error", "-of", "json", "-show_format", "-show_streams", "-show_chapters"]
    argv += ["-format_whitelist", CONTAINERS, "-protocol_whitelist", "file", "-i", f"file:{path}"]
    done = process.run(argv, timeout=timeout, stop=stop)
    # It may complain and still answer. What it knows by the name only has a stream without a rate.
    told = json.loads(done.out) if done.out.strip() else {}
    sounds = [one for one in told.get("streams", []) if one.get("codec_type") == "audio"]
    if not done.ok or not told.get("format") or (sounds and not any(map(_rate, sounds))):
        raise Permanent(
            "The file is no audio file, or a broken one",
            str(path),
            _last_line(done.err, path) or "Play it, and copy it again when it is broken",
        )
    return told


def _last_line(written: str, path: Path) -> str:
    lines = [line.strip() for line in written.splitlines() if line.strip()]
    return f"ffprobe says: {lines[-1].replace(f'file:{path}: ', '').rstrip('.')}" if lines else ""


def _source(path: Path, told: Mapping[str, Any]) -> Source:
    streams = told.get("streams", [])
    sound = next((one for one in streams if one.get("codec_type") == "audio" and _rate(one)), None)
    if sound is None:
        raise Permanent("The file holds no sound", str(path), "Take it out of the folder")
    if sound.get("codec_name", "unknown") == "unknown":
        raise Permanent(
            "The sound of the file is of a kind that ffmpeg cannot decode",
            str(path),
            f"It is called {sound.get('codec_tag_string', 'unknown')}: convert it by other means",
        )
    about = told["format"]
    pictures = (one for one in streams if one.get("disposition", {}).get("attached_pic"))
    return Source(
        path=path,
        container=about["format_name"],
        codec=sound["codec_name"],
        profile=sound.get("profile", ""),
        rate=_rate(sound),
        channels=int(sound.get("channels", 1)),
        bitrate=int(_number(sound.get("bit_rate")) or _number(about.get("bit_rate"))),
        seconds=_number(sound.get("duration")) or _number(about.get("duration")),
        stream=int(sound["index"]),
        tags=_tags(sound.get("tags", {})) | _tags(about.get("tags", {})),
        chapters=tuple(_chapter(one) for one in told.get("chapters", [])),
        cover=next((int(one["index"]) for one in pictures), None),
    )


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    named = {name.lower(): value.strip() for name, value in tags.items()}
    return {
        name: value
        for name, value in named.items()
        if value and name not in _TECHNICAL and not (name == "language" and value == _UNDETERMINED)
    }


def _chapter(one: Mapping[str, Any]) -> EmbeddedChapter:
    # In whole units of its time base, which are more exact than the six digits of `start_time`.
    numerator, _, denominator = str(one["time_base"]).partition("/")
    unit = int(numerator) / int(denominator or 1)
    title = str(one.get("tags", {}).get("title", "")).strip()
    return EmbeddedChapter(start=one["start"] * unit, end=one["end"] * unit, title=title)


def _rate(stream: Mapping[str, Any]) -> int:
    return int(_number(stream.get("sample_rate")))


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0

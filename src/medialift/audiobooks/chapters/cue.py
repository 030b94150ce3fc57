"""Cue sheets: which tracks lie in which file, and at which frame (a 75th of a second) each begins."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from medialift.audiobooks.chapters.mark import Mark

FRAMES_PER_SECOND = 75
_LINE = re.compile(r"\s*(?P<command>FILE|TRACK|INDEX|TITLE)\s+(?P<rest>.+?)\s*\Z", re.IGNORECASE)
_FILE = re.compile(r'(?:"(?P<quoted>.*)"|(?P<bare>\S+))(?:\s+\w+)?\Z')
_INDEX = re.compile(r"0*(?P<number>\d+)\s+(?P<minutes>\d+):(?P<seconds>\d{1,2}):(?P<frames>\d{1,2})\Z")


@dataclass(frozen=True)
class CueFile:
    """One FILE of a sheet: its name as written there, and where its tracks begin in it."""

    name: str
    marks: tuple[Mark, ...]


def read(text: str) -> tuple[CueFile, ...]:
    """The files of a sheet, each with at least one track. INDEX 01 counts: 00 is the gap before it."""
    files: list[tuple[str, list[Mark]]] = []
    title, in_track, indexed = "", False, False
    for line in text.lstrip("\ufeff").splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        command, rest = found["command"].upper(), found["rest"]
        if command == "FILE" and (named := _FILE.match(rest)):
            files.append((named["quoted"] if named["quoted"] is not None else named["bare"], []))
        elif command == "TRACK":
            title, in_track, indexed = "", True, False
        elif command == "TITLE" and in_track:
            title = _unquoted(rest)
        elif command == "INDEX" and in_track and files and not indexed:
            index = _INDEX.match(rest)
            if index and int(index["number"]) >= 1 and int(index["seconds"]) < 60:
                frames = (int(index["minutes"]) * 60 + int(index["seconds"])) * FRAMES_PER_SECOND
                files[-1][1].append(Mark(Fraction(frames + int(index["frames"]), FRAMES_PER_SECOND), title))
                indexed = True
    return tuple(CueFile(name, tuple(sorted(marks, key=_begin))) for name, marks in files if marks)


def write(marks: Iterable[Mark], file: str) -> str:
    """A sheet of one file. It counts in frames, so times are exact to 7 ms only: chapters.txt keeps more."""
    kind = "MP3" if file.casefold().endswith(".mp3") else "WAVE"
    lines = [f'FILE "{_plain(file)}" {kind}']
    for number, one in enumerate(marks, start=1):
        seconds, frames = divmod(round(one.seconds * FRAMES_PER_SECOND), FRAMES_PER_SECOND)
        minutes, second = divmod(seconds, 60)
        lines += [f"  TRACK {number:02} AUDIO", f'    TITLE "{_plain(one.title)}"']
        lines += [f"    INDEX 01 {minutes:02}:{second:02}:{frames:02}"]
    return "\n".join(lines) + "\n"


def _plain(title: str) -> str:
    return " ".join(title.replace('"', "'").split())


def _begin(mark: Mark) -> Fraction:
    return mark.seconds


def _unquoted(written: str) -> str:
    inner = written[1:-1] if len(written) > 1 and written[0] == written[-1] == '"' else written
    return inner.strip()

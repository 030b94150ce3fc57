"""Books with a part that is no good: each is refused with the reason; none loses sound."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from medialift.audiobooks import chapters, encode, finish, plan, programs, prove
from medialift.audiobooks.book import Book, Part, Structure
from medialift.audiobooks.probe import probe_all
from medialift.errors import Permanent
from medialift.settings import AudiobooksSettings
from sandbox.audiobooks import broken, recordings
from sandbox.audiobooks.recordings import Recording, lag, pcm, speak, spoken

RATE = 22_050
FFMPEG = programs.found()
SAID = ("The harbour lay still.", "It's a long way home, he wrote.", "Then the light went out.")


def make(folder: Path, *parts: Path) -> tuple[Path, prove.Proof]:
    """All steps from parts to a proven book, one after the other."""
    settings = AudiobooksSettings()
    listed = tuple(Part(path, path.name, path.stat().st_size) for path in parts)
    book = Book("Book", folder, Structure.FLAT, listed, (), "f")
    sources = probe_all(parts, FFMPEG)
    chosen = plan.decide(sources, settings, encoders=programs.encoders(FFMPEG))
    work = folder / "work"
    made = encode.convert(
        sources, chosen, folder / "a.m4a", work=work, cores=1, programs=FFMPEG, stop=Event(), timeout=60
    )
    planned = chapters.plan(book, sources, made.samples, made.rate, settings)
    finish.finish(made.path, planned.chapters, made.rate, None, folder / "book.m4b", FFMPEG)
    proof = prove.prove(
        folder / "book.m4b",
        rate=made.rate,
        samples=made.samples,
        chapters=planned.chapters,
        sources=sources,
        cover=False,
        programs=FFMPEG,
    )
    return folder / "book.m4b", proof


def three(folder: Path, codec: str, **how: object) -> list[Recording]:
    return [
        speak(text, folder / f"{number}.{codec}", codec=codec, rate=RATE, seconds=4, **how)
        for number, text in enumerate(SAID, start=1)
    ]


@pytest.mark.parametrize("codec", ["mp3", "m4a", "aac", "flac", "ogg", "opus", "wma"])
def test_a_part_whose_middle_is_damaged_is_named_and_no_book_comes_out(codec: str, tmp_path: Path) -> None:
    parts = three(tmp_path, codec)
    broken.damaged(parts[1], parts[1].path)
    before = parts[1].path.read_bytes()
    with pytest.raises(Permanent) as told:
        make(tmp_path, *(one.path for one in parts))
    assert f"2.{codec}" in str(told.value)
    assert parts[1].path.read_bytes() == before


@pytest.mark.parametrize("codec", ["m4a", "aac", "flac", "ogg"])
def test_a_part_whose_end_is_missing_is_named_and_no_book_comes_out(codec: str, tmp_path: Path) -> None:
    parts = three(tmp_path, codec)
    broken.cut_off(parts[1], parts[1].path, keep=0.55)
    with pytest.raises(Permanent) as told:
        make(tmp_path, *(one.path for one in parts))
    assert f"2.{codec}" in str(told.value)


@pytest.mark.parametrize("bad", ["empty", "protected", "text", "picture"])
def test_a_part_that_is_no_sound_is_named_and_no_book_comes_out(bad: str, tmp_path: Path) -> None:
    parts = [one.path for one in three(tmp_path, "mp3")]
    if bad == "empty":
        parts[1].write_bytes(b"")
    elif bad == "protected":
        broken.protected(parts[1])
    elif bad == "text":
        broken.text(parts[1])
    else:
        recordings.picture(tmp_path / "a.png").replace(parts[1])
    with pytest.raises(Permanent, match=r"2\.mp3"):
        make(tmp_path, *parts)


def test_parts_of_all_kinds_rates_and_channels_under_wrong_endings_become_one_book(tmp_path: Path) -> None:
    parts = [
        speak(SAID[0], tmp_path / "1 it's.wav", codec="mp3", rate=44_100, seconds=4, vbr=True),
        speak(SAID[1], tmp_path / "2 “b”.mp3", codec="flac", rate=22_050, channels=2, seconds=3),
        speak(SAID[2], tmp_path / "3 🎧.m4b", codec="wav", rate=16_000, seconds=3.5),
        speak(SAID[0], tmp_path / "4 %d.mp3", codec="m4a", rate=48_000, channels=2, seconds=3, bitrate="96k"),
        speak(SAID[1], tmp_path / "5 [1].ogg", codec="opus", seconds=3),
    ]
    book, proof = make(tmp_path, *(one.path for one in parts))
    assert abs(proof.seconds - sum(one.seconds for one in parts)) < 0.001 * len(parts)
    there = finish.read_chapters(book, FFMPEG)
    rate = finish.heard(book).rate
    heard = pcm(book, channels=1)
    begin = 0.0
    for one, part in zip(there, parts, strict=True):
        assert abs(one.start - begin) <= 0.001
        said = spoken(part.text, rate=rate, seconds=part.seconds)
        late = lag(heard, round(one.start * rate), said, within=rate // 100, length=2000)
        # Opus and MP3 themselves may move the sound by a sample or two, and resampling by a few.
        assert abs(late) <= rate // 1000, part.path.name
        begin += part.seconds


def test_a_silent_part_is_a_part_like_any_other(tmp_path: Path) -> None:
    parts = [one.path for one in three(tmp_path, "mp3")]
    recordings.silence(parts[1], seconds=4, rate=RATE)
    _, proof = make(tmp_path, *parts)
    assert (proof.silences, proof.seconds) == (1, 12.0)


def test_a_very_short_part_is_kept_and_opens_no_chapter_of_its_own(tmp_path: Path) -> None:
    parts = [one.path for one in three(tmp_path, "mp3")]
    speak("So", parts[1], seconds=0.1, rate=RATE)
    book, proof = make(tmp_path, *parts)
    assert abs(proof.seconds - 8.1) < 0.001
    assert [round(one.start, 3) for one in finish.read_chapters(book, FFMPEG)] == [0, 4.1]


def test_a_book_that_is_right_already_comes_out_byte_for_byte(tmp_path: Path) -> None:
    inner = [(0, "Dawn"), (1.5, "It's “dusk”")]
    right = speak(SAID[0], tmp_path / "a.m4b", codec="m4b", rate=RATE, seconds=4, chapters=inner)
    book, proof = make(tmp_path, right.path)
    assert (proof.chapters, proof.samples) == (2, right.samples)
    assert book.read_bytes() == right.path.read_bytes()

"""Chapters and cover of a finished book, and the proof that nothing of its sources was lost."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import pytest

from medialift.audiobooks import encode, finish, mp4_read, mp4_write, plan, programs, prove
from medialift.audiobooks.chapter import Chapter
from medialift.audiobooks.probe import probe, probe_all
from medialift.audiobooks.source import Source
from medialift.errors import Permanent, Transient
from medialift.settings import AudiobooksSettings
from sandbox.audiobooks import recordings
from sandbox.audiobooks.recordings import Recording, speak

RATE = 22_050
FFMPEG = programs.found()
SAID = ("The harbour lay still.", "It's a “long” way home, he wrote.", "Then the light went out.")
SECONDS = (4.013, 5.5, 3.25)


@dataclass(frozen=True)
class Made:
    """A book of three spoken parts, converted, without chapters."""

    parts: Sequence[Recording]
    sources: Sequence[Source]
    audio: Path
    samples: tuple[int, ...]

    @property
    def chapters(self) -> list[Chapter]:
        ends = [sum(self.samples[: number + 1]) for number in range(len(self.samples))]
        return [
            Chapter(end - length, end, title)
            for end, length, title in zip(ends, self.samples, SAID, strict=True)
        ]

    def convert(self, sources: Sequence[Source], target: Path) -> encode.Converted:
        chosen = plan.decide(sources, AudiobooksSettings(), encoders=frozenset({"aac"}))
        return encode.convert(
            sources, chosen, target, work=target.parent / "work", cores=1, programs=FFMPEG, stop=Event(),
            timeout=60,
        )  # fmt: skip

    def finished(self, target: Path, *, audio: Path | None = None, cover: Path | None = None) -> Path:
        finish.finish(audio or self.audio, self.chapters, RATE, cover, target, FFMPEG)
        return target

    def prove(self, file: Path, *, cover: bool = False, **changed: object) -> prove.Proof:
        known = {"rate": RATE, "samples": self.samples, "chapters": self.chapters, "sources": self.sources}
        return prove.prove(file, **{**known, **changed}, cover=cover, programs=FFMPEG)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    parts = [
        speak(text, folder / f"{number}.mp3", rate=RATE, seconds=seconds, bitrate="48k")
        for number, (text, seconds) in enumerate(zip(SAID, SECONDS, strict=True), start=1)
    ]
    sources = probe_all([one.path for one in parts], FFMPEG)
    begun = Made(parts, sources, folder / "book.m4a", ())
    converted = begun.convert(sources, begun.audio)
    assert converted.samples == tuple(one.samples for one in parts)
    return replace(begun, samples=converted.samples)


@pytest.fixture(scope="module")
def cover(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recordings.picture(tmp_path_factory.mktemp("cover") / "cover.png")


def test_chapters_are_where_the_parts_begin_and_the_sound_is_untouched(
    made: Made, cover: Path, tmp_path: Path
) -> None:
    book = made.finished(tmp_path / "it's “a” book 🎧.m4b", cover=cover)
    there = finish.read_chapters(book, FFMPEG)
    assert [one.title for one in there] == list(SAID)
    for one, planned in zip(there, made.chapters, strict=True):
        assert abs(one.start - planned.start / RATE) < 0.0001
    assert recordings.pcm(book) == recordings.pcm(made.audio)
    heard = recordings.pcm(book)
    for part, planned in zip(made.parts, made.chapters, strict=True):
        said = recordings.spoken(part.text, rate=RATE, seconds=part.seconds)
        assert abs(recordings.lag(heard, planned.start, said, within=200)) <= RATE // 1000
    assert finish.heard(book) == finish.Heard(sum(made.samples), RATE)


def test_chapters_are_there_for_players_of_both_kinds(made: Made, tmp_path: Path) -> None:
    content = made.finished(tmp_path / "book.m4b").read_bytes()
    list_of_nero = content[content.index(b"chpl") :]
    assert all(title.encode() in list_of_nero[:500] for title in SAID)
    assert b"tref" in content and b"chap" in content


def test_three_hundred_chapters_keep_their_places_and_titles(made: Made, tmp_path: Path) -> None:
    step = sum(made.samples) // 300
    many = [Chapter(one * step, (one + 1) * step, f"Chapter {one + 1}") for one in range(300)]
    many[-1] = replace(many[-1], end=sum(made.samples))
    finish.finish(made.audio, many, RATE, None, tmp_path / "book.m4b", FFMPEG)
    there = finish.read_chapters(tmp_path / "book.m4b", FFMPEG)
    assert [one.title for one in there] == [one.title for one in many]
    assert max(abs(one.start - two.start / RATE) for one, two in zip(there, many, strict=True)) < 0.001


def test_a_book_that_has_its_chapters_already_stays_byte_for_byte(made: Made, tmp_path: Path) -> None:
    once = made.finished(tmp_path / "once.m4b")
    twice = made.finished(tmp_path / "twice.m4b", audio=once)
    assert twice.read_bytes() == once.read_bytes()


def test_tags_and_cover_of_a_book_of_another_program_survive_new_chapters(
    cover: Path, tmp_path: Path
) -> None:
    theirs = speak(
        SAID[0], tmp_path / "a.m4b", codec="m4b", rate=RATE, seconds=3, tags={"album": "Ledger"}, cover=cover
    )
    before = recordings.pcm(theirs.path)
    new = [Chapter(0, RATE, "One"), Chapter(RATE, 3 * RATE, "Two")]
    finish.write_chapters(theirs.path, new, RATE, theirs.path)
    after = probe(theirs.path, FFMPEG)
    assert [(one.start, one.title) for one in after.chapters] == [(0, "One"), (1, "Two")]
    assert after.tags["album"] == "Ledger" and after.cover is not None
    assert recordings.pcm(theirs.path) == before


def test_a_right_book_is_proven(made: Made, cover: Path, tmp_path: Path) -> None:
    proof = made.prove(made.finished(tmp_path / "book.m4b", cover=cover), cover=True)
    assert proof.samples == sum(made.samples)
    assert 0 <= proof.decoded - proof.samples < 4096
    assert (proof.chapters, proof.beginnings, proof.cover) == (3, 3, True)
    total = made.prove(tmp_path / "book.m4b", samples=sum(made.samples))
    assert (total.samples, total.beginnings) == (proof.samples, 0)


def test_a_book_that_lacks_a_part_is_not_proven(made: Made, tmp_path: Path) -> None:
    made.convert(made.sources[:2], tmp_path / "short.m4a")
    short = made.finished(tmp_path / "book.m4b", audio=tmp_path / "short.m4a")
    with pytest.raises(Permanent, match="long, its parts are"):
        made.prove(short)


def test_a_book_whose_tables_promise_more_than_there_is_is_not_proven(made: Made, tmp_path: Path) -> None:
    track = mp4_read.read(made.audio)
    kept = track.frames - 44
    [stretch] = track.stretches
    lying = replace(
        track,
        sizes=track.sizes[:kept],
        stretches=(replace(stretch, frames=kept),),
        durations=((kept - 1, 1024), (1, 45 * 1024)),
    )
    mp4_write.write(lying, tmp_path / "book.m4b", chapters=made.chapters)
    assert finish.heard(tmp_path / "book.m4b").samples == sum(made.samples)
    with pytest.raises(Permanent, match=r"[12]\.\d+ s of it cannot be decoded"):
        made.prove(tmp_path / "book.m4b")


def test_a_book_made_of_fewer_samples_than_its_sources_claim_is_not_proven(
    made: Made, tmp_path: Path
) -> None:
    """A name that broke a list of files, say: the count agrees with the file, and both lack the end."""
    converted = made.convert(made.sources[:2], tmp_path / "short.m4a")
    wholes = [
        speak(one.text, tmp_path / f"{number}.m4a", codec="m4a", rate=RATE, seconds=one.seconds).path
        for number, one in enumerate(made.parts)
    ]
    finish.finish(converted.path, made.chapters[:2], RATE, None, tmp_path / "book.m4b", FFMPEG)
    with pytest.raises(Permanent, match=r"3\.25 s of what its sources say"):
        made.prove(
            tmp_path / "book.m4b",
            samples=sum(converted.samples),
            chapters=made.chapters[:2],
            sources=probe_all(wholes, FFMPEG),
        )


def test_a_book_that_is_silent_where_its_source_speaks_is_not_proven(made: Made, tmp_path: Path) -> None:
    mute = recordings.silence(tmp_path / "2.mp3", seconds=SECONDS[1], rate=RATE)
    sources = [made.sources[0], probe(mute.path, FFMPEG), made.sources[2]]
    converted = made.convert(sources, tmp_path / "mute.m4a")
    assert sum(converted.samples) == sum(made.samples)
    book = made.finished(tmp_path / "book.m4b", audio=tmp_path / "mute.m4a")
    with pytest.raises(Permanent, match=r"silent from 4\.\d s to 9\.\d s, where 2\.mp3 is not"):
        made.prove(book)
    assert made.prove(book, sources=sources).silences == 1


def test_a_book_that_is_far_quieter_than_its_source_is_not_proven(made: Made, tmp_path: Path) -> None:
    quiet = speak(SAID[0], tmp_path / "1.wav", codec="wav", rate=RATE, seconds=SECONDS[0])
    content = bytearray(quiet.path.read_bytes())
    for at in range(200, len(content) - 1, 2):
        sample = int.from_bytes(content[at : at + 2], "little", signed=True) // 40
        content[at : at + 2] = sample.to_bytes(2, "little", signed=True)
    quiet.path.write_bytes(content)
    converted = made.convert([probe(quiet.path, FFMPEG), *made.sources[1:]], tmp_path / "quiet.m4a")
    assert converted.samples == made.samples
    with pytest.raises(Permanent, match=r"where 1\.mp3 begins"):
        made.prove(made.finished(tmp_path / "book.m4b", audio=tmp_path / "quiet.m4a"))


def test_a_book_with_damaged_frames_is_not_proven(made: Made, tmp_path: Path) -> None:
    book = made.finished(tmp_path / "book.m4b")
    content = bytearray(book.read_bytes())
    start = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 2
    content[start : start + 2000] = bytes(one * 89 % 251 for one in range(2000))
    book.write_bytes(content)
    with pytest.raises(Permanent, match="does not decode"):
        made.prove(book)


@pytest.mark.parametrize("moved", [-0.002, 0.002])
def test_a_chapter_that_is_two_milliseconds_off_is_not_proven(
    moved: float, made: Made, tmp_path: Path
) -> None:
    book = made.finished(tmp_path / "book.m4b")
    late = list(made.chapters)
    late[1] = replace(late[1], start=late[1].start + round(moved * RATE))
    with pytest.raises(Permanent, match="chapter 2 begins at"):
        made.prove(book, chapters=late)


def test_chapters_that_are_missing_or_called_otherwise_are_seen(made: Made, tmp_path: Path) -> None:
    book = made.finished(tmp_path / "book.m4b")
    with pytest.raises(Permanent, match="has 3 chapters, and 2 were planned"):
        made.prove(book, chapters=made.chapters[:2])
    other = [*made.chapters[:2], replace(made.chapters[2], title="Another")]
    with pytest.raises(Permanent, match="chapter 3 is called"):
        made.prove(book, chapters=other)


def test_a_cover_that_is_missing_or_broken_is_seen(made: Made, cover: Path, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="has no cover"):
        made.prove(made.finished(tmp_path / "bare.m4b"), cover=True)
    picture = cover.read_bytes()
    half = tmp_path / "half.png"
    half.write_bytes(picture[: len(picture) // 2])
    with pytest.raises(Permanent, match="cover"):
        made.prove(made.finished(tmp_path / "book.m4b", cover=half), cover=True)


def test_a_proof_that_is_stopped_says_nothing_of_the_book(made: Made, tmp_path: Path) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Transient):
        prove.prove(
            made.finished(tmp_path / "book.m4b"),
            rate=RATE,
            samples=made.samples,
            chapters=made.chapters,
            sources=made.sources,
            cover=False,
            programs=FFMPEG,
            stop=stop,
        )


def test_finishing_leaves_what_it_was_made_of_as_it_is(made: Made, tmp_path: Path) -> None:
    audio = tmp_path / "audio.m4a"
    shutil.copyfile(made.audio, audio)
    made.finished(tmp_path / "book.m4b", audio=audio)
    assert audio.read_bytes() == made.audio.read_bytes()

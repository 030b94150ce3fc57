"""M4B files written and read again: sizes, places and times are those that were given."""

import struct
from array import array
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from mutagen.mp4 import MP4

from medialift.audiobooks import mp4_read, mp4_write
from medialift.audiobooks.aac_config import coding_of
from medialift.audiobooks.adts import Coding
from medialift.audiobooks.chapter import Chapter
from medialift.audiobooks.track import Stretch, Track
from medialift.errors import Permanent, Transient

RATE = 44_100
LC = Coding(2, RATE, 1)
PNG = b"\x89PNG\r\n\x1a\n picture"


def track(folder: Path, *, frames: int = 200, start: int = 1024, missing: int = 16, header: int = 0) -> Track:
    """Frames of 1, 2, 3 … bytes that say their number; `missing` samples of the last one are not heard."""
    sizes = array("I", [1 + number % 50 for number in range(frames)])
    source = folder / "frames"
    source.write_bytes(
        b"".join(b"#" * header + bytes([number % 251]) * size for number, size in enumerate(sizes))
    )
    samples = frames * 1024 - start - missing
    stretches = (Stretch(source, 0, frames, header),)
    return Track(LC.entry(64_000), RATE, sizes, ((frames, 1024),), stretches, start, samples)


def frames_of(found: Track) -> list[bytes]:
    frames, at = [], 0
    for stretch in found.stretches:
        with stretch.path.open("rb") as file:
            file.seek(stretch.offset)
            for size in found.sizes[at : at + stretch.frames]:
                file.seek(stretch.header, 1)
                frames.append(file.read(size))
        at += stretch.frames
    return frames


@pytest.mark.parametrize("header", [0, 7])
@pytest.mark.parametrize("frames", [1, 63, 64, 65, 200])
def test_what_was_written_is_read_again(tmp_path: Path, frames: int, header: int) -> None:
    given = track(tmp_path, frames=frames, start=100, header=header)
    mp4_write.write(given, tmp_path / "book.m4b", chapters=[Chapter(0, given.samples, "All")])
    found = mp4_read.read(tmp_path / "book.m4b")
    assert (found.entry, found.timescale, found.sizes) == (given.entry, RATE, given.sizes)
    assert (found.start, found.samples) == (given.start, given.samples)
    assert sum(count * length for count, length in found.durations) == given.start + given.samples
    assert frames_of(found) == frames_of(given)


def test_frames_that_are_not_heard_at_the_end_are_left_away(tmp_path: Path) -> None:
    given = replace(track(tmp_path), samples=100 * 1024)
    mp4_write.write(given, tmp_path / "book.m4b")
    found = mp4_read.read(tmp_path / "book.m4b")
    assert (found.frames, found.samples) == (101, 100 * 1024)
    assert frames_of(found) == frames_of(given)[:101]


def test_chapters_are_listed_twice_with_their_titles_cut_at_a_letter(tmp_path: Path) -> None:
    given = track(tmp_path)
    titles = ["One", "“Zwei” 😀", "ü" * 300]
    marks = [0, 1, 77_777, given.samples]
    chapters = [Chapter(*place) for place in zip(marks, marks[1:], titles, strict=False)]
    mp4_write.write(given, tmp_path / "book.m4b", chapters=chapters)
    listed = MP4(tmp_path / "book.m4b").chapters
    assert [one.title for one in listed] == ["One", "“Zwei” 😀", "ü" * 127]
    assert [one.start for one in listed] == pytest.approx([mark / RATE for mark in marks[:-1]], abs=1e-6)
    raw = (tmp_path / "book.m4b").read_bytes()
    assert all(struct.pack(">H", len(title.encode())) + title.encode() in raw for title in titles)


def test_a_cover_takes_the_place_of_the_one_before_and_other_tags_stay(tmp_path: Path) -> None:
    mp4_write.write(track(tmp_path), tmp_path / "one.m4b", cover=b"\xff\xd8 a jpeg")
    tagged = MP4(tmp_path / "one.m4b")
    tagged["\xa9nam"] = "The Ledger"
    tagged.save()
    mp4_write.write(mp4_read.read(tmp_path / "one.m4b"), tmp_path / "two.m4b", cover=PNG)
    found = MP4(tmp_path / "two.m4b")
    assert found["\xa9nam"] == ["The Ledger"]
    assert [bytes(cover) for cover in found["covr"]] == [PNG]
    mp4_write.write(mp4_read.read(tmp_path / "two.m4b"), tmp_path / "three.m4b")
    assert [bytes(cover) for cover in MP4(tmp_path / "three.m4b")["covr"]] == [PNG]


def test_a_tag_more_does_not_move_the_audio(tmp_path: Path) -> None:
    given = track(tmp_path)
    mp4_write.write(given, tmp_path / "book.m4b")
    size = (tmp_path / "book.m4b").stat().st_size
    tagged = MP4(tmp_path / "book.m4b")
    tagged["desc"] = "word " * 800
    tagged.save()
    assert (tmp_path / "book.m4b").stat().st_size == size
    assert frames_of(mp4_read.read(tmp_path / "book.m4b")) == frames_of(given)


def test_a_file_beyond_four_gigabytes_tells_its_places_in_64_bits(tmp_path: Path) -> None:
    frames = 1_000_000
    sizes = array("I", [6000]) * frames
    large = Track(
        LC.entry(64_000),
        RATE,
        sizes,
        ((frames, 1024),),
        (Stretch(Path("/none"), 0, frames),),
        1024,
        frames * 1024 - 1024,
    )
    head = mp4_write.head(large, chapters=[Chapter(0, large.samples, "All")])
    book = tmp_path / "large.m4b"
    with book.open("wb") as file:  # its six gigabytes are a hole
        file.write(head)
        file.truncate(len(head) + 2 + 3 + 12 + large.bytes)
    found = mp4_read.read(book)
    assert found.stretches == (Stretch(book, len(head) + 17, frames),)
    assert (found.sizes, found.samples) == (sizes, large.samples)


def test_a_book_of_two_days_has_its_times_in_64_bits(tmp_path: Path) -> None:
    frames = 48 * 3600 * RATE // 1024
    long = replace(track(tmp_path, frames=200), sizes=array("I", [0]) * frames, durations=((frames, 1024),))
    long = replace(long, samples=frames * 1024 - 1024, stretches=(Stretch(tmp_path / "frames", 0, frames),))
    mp4_write.write(long, tmp_path / "long.m4b", chapters=[Chapter(0, long.samples, "All")])
    assert mp4_read.read(tmp_path / "long.m4b").samples == long.samples
    assert MP4(tmp_path / "long.m4b").info.length == pytest.approx(frames * 1024 / RATE)


@pytest.mark.parametrize("left", [0, 7, 40, 300, 900])
def test_a_truncated_file_is_an_error_and_nothing_else(tmp_path: Path, left: int) -> None:
    mp4_write.write(track(tmp_path), tmp_path / "book.m4b")
    whole = (tmp_path / "book.m4b").read_bytes()
    (tmp_path / "cut.m4b").write_bytes(whole[:left])
    with pytest.raises(Permanent):
        mp4_read.read(tmp_path / "cut.m4b")
    (tmp_path / "cut.m4b").write_bytes(whole[:-1])
    with pytest.raises(Permanent, match="truncated"):
        mp4_read.read(tmp_path / "cut.m4b")


def test_whatever_byte_of_the_tables_is_wrong_reading_ends_with_a_track_or_an_error_that_says_so(
    tmp_path: Path,
) -> None:
    mp4_write.write(track(tmp_path, frames=65), tmp_path / "book.m4b")
    whole = bytearray((tmp_path / "book.m4b").read_bytes())
    refused = 0
    for at in range(0, whole.index(b"free"), 3):
        damaged = whole[:]
        damaged[at] ^= 0xFF
        (tmp_path / "damaged.m4b").write_bytes(damaged)
        try:
            mp4_read.read(tmp_path / "damaged.m4b")
        except Permanent:
            refused += 1
    assert refused > 20


def test_several_passages_cut_together_are_refused_for_they_cannot_be_taken_frame_by_frame(
    tmp_path: Path,
) -> None:
    mp4_write.write(track(tmp_path), tmp_path / "book.m4b")
    whole = (tmp_path / "book.m4b").read_bytes()
    at = whole.index(b"edts")
    edit = struct.pack(">Iii", 1024, 1024, 0x10000)
    elst = struct.pack(">II", 0, 2) + edit * 2
    more = struct.pack(">I4s", 8 + len(elst), b"elst") + elst
    old = struct.unpack(">I", whole[at - 4 : at])[0]
    grown = len(more) + 8 - old
    changed = bytearray(whole)
    changed[at - 4 : at - 4 + old] = struct.pack(">I4s", 8 + len(more), b"edts") + more
    for name in (b"moov", b"trak"):
        place = changed.index(name) - 4
        changed[place : place + 4] = struct.pack(
            ">I", struct.unpack(">I", changed[place : place + 4])[0] + grown
        )
    (tmp_path / "cut.m4b").write_bytes(changed)
    with pytest.raises(Permanent, match="several passages"):
        mp4_read.read(tmp_path / "cut.m4b")


def test_a_file_of_which_nothing_is_heard_is_refused(tmp_path: Path) -> None:
    mp4_write.write(track(tmp_path), tmp_path / "book.m4b")
    whole = bytearray((tmp_path / "book.m4b").read_bytes())
    at = whole.index(b"elst") + 4 + 8
    whole[at : at + 8] = struct.pack(">Ii", 1000, 200 * 1024)
    (tmp_path / "silent.m4b").write_bytes(whole)
    with pytest.raises(Permanent, match="Nothing of this MP4 file is heard"):
        mp4_read.read(tmp_path / "silent.m4b")


def test_a_stopped_write_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "book.m4b").write_bytes(b"before")
    stop = Event()
    stop.set()
    with pytest.raises(Transient):
        mp4_write.write(track(tmp_path), tmp_path / "book.m4b", stop=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["book.m4b", "frames"]
    assert (tmp_path / "book.m4b").read_bytes() == b"before"


def test_files_of_frames_are_removed_as_they_are_used_when_asked_for(tmp_path: Path) -> None:
    given = track(tmp_path)
    mp4_write.write(given, tmp_path / "book.m4b", done_with=[tmp_path / "frames"])
    assert [path.name for path in tmp_path.iterdir()] == ["book.m4b"]


def test_the_coding_is_read_from_the_entry_that_tells_it() -> None:
    for coding in (LC, Coding(2, 48_000, 2), Coding(2, 8_000, 1)):
        assert coding_of(coding.entry(64_000)) == coding
    he = LC.entry(64_000).replace(LC.config(), Coding(5, RATE, 1).config())
    assert coding_of(he) is None
    assert coding_of(b"\0\0\0\x10alac" + bytes(8)) is None

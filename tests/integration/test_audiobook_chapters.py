"""Chapters of a finished book: exported, imported, split; its cover; its silences."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from medialift.audiobooks import cover, finish, programs, silence
from medialift.audiobooks.book import Book, Part, Structure
from medialift.audiobooks.chapters import editing
from medialift.audiobooks.probe import probe
from medialift.errors import Permanent
from medialift.foundation import process
from sandbox.audiobooks import recordings
from sandbox.audiobooks.recordings import pcm, speak

RATE = 22_050
FFMPEG = programs.found()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    chapters = [(0, "Dawn"), (2.5, "It's “noon”")]
    return speak(
        "The harbour lay still.", folder / "book.m4b", codec="m4b", rate=RATE, seconds=6, chapters=chapters
    ).path


@pytest.fixture
def book(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(original, tmp_path / "it's a book.m4b"))


def told(book: Path) -> list[tuple[float, str]]:
    return [(round(one.start, 3), one.title) for one in finish.read_chapters(book, FFMPEG)]


@pytest.mark.parametrize("name", ["chapters.txt", "book.cue"])
def test_what_was_exported_is_imported_again_and_nothing_changes(name: str, book: Path) -> None:
    before = book.read_bytes()
    assert editing.export(book, book.with_name(name), FFMPEG).changed
    assert not editing.export(book, book.with_name(name), FFMPEG).changed
    again = editing.imported(book, book.with_name(name), FFMPEG)
    assert [one.title for one in again.chapters] == [title for _, title in told(book)]
    assert not again.changed or name == "book.cue"
    assert name == "book.cue" or book.read_bytes() == before


def test_imported_chapters_are_in_the_book_and_its_sound_is_the_same(book: Path) -> None:
    heard = pcm(book)
    book.chmod(0o640)
    book.with_name("chapters.txt").write_text("0:00 Uno\n00:00:01.234 Dos\n00:00:04.5 Tres\n")
    edited = editing.imported(book, book.with_name("chapters.txt"), FFMPEG)
    assert edited.changed
    assert told(book) == [(0, "Uno"), (1.234, "Dos"), (4.5, "Tres")]
    assert edited.to_dict()["chapters"][2]["title"] == "Tres"
    assert pcm(book) == heard
    assert [one.name for one in book.parent.iterdir() if one.name.startswith(".")] == []
    assert book.stat().st_mode & 0o777 == 0o640


def test_a_list_of_titles_names_the_chapters_that_there_are(book: Path) -> None:
    book.with_name("chapters.txt").write_bytes("Früh\nSpät\n".encode("cp1252"))
    editing.imported(book, book.with_name("chapters.txt"), FFMPEG)
    assert told(book) == [(0, "Früh"), (2.5, "Spät")]


def test_a_check_says_what_would_be_and_changes_nothing(book: Path) -> None:
    before = book.read_bytes()
    book.with_name("chapters.txt").write_text("0:00 Uno\n0:03 Dos\n")
    edited = editing.imported(book, book.with_name("chapters.txt"), FFMPEG, check=True)
    assert (edited.changed, [one.title for one in edited.chapters]) == (True, ["Uno", "Dos"])
    assert book.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("chapters.txt", "0:00 Uno\n9:00:00 Dos\n", "behind the end"),
        ("chapters.txt", "# nothing\n", "holds no chapters"),
        ("chapters.txt", "Uno\nDos\nTres\n", "3 titles"),
        ("a.cue", 'FILE "a" MP3\nTRACK 01 AUDIO\nINDEX 01 00:00:00\n' * 2, "several files"),
        ("a.cue", "", "holds no chapters"),
    ],
)
def test_a_list_that_does_not_fit_is_refused_and_the_book_stays(
    name: str, content: str, why: str, book: Path
) -> None:
    before = book.read_bytes()
    book.with_name(name).write_text(content)
    with pytest.raises(Permanent, match=why):
        editing.imported(book, book.with_name(name), FFMPEG)
    with pytest.raises(Permanent, match="cannot be read"):
        editing.imported(book, book.with_name("missing.txt"), FFMPEG)
    assert book.read_bytes() == before


def test_long_chapters_of_a_finished_book_are_split_at_its_silences(tmp_path: Path) -> None:
    parts = [
        recordings.spoken("The harbour lay still.", rate=RATE, seconds=3),
        [0] * RATE,
        recordings.spoken("Then the light went out.", rate=RATE, seconds=3),
    ]
    wav = tmp_path / "a.wav"
    samples = b"".join(one.to_bytes(2, "little", signed=True) for part in parts for one in part)
    speak("So", wav, codec="wav", rate=RATE, seconds=7)
    head = wav.read_bytes()[: -2 * 7 * RATE]
    wav.write_bytes(head + samples)
    book = tmp_path / "book.m4b"
    argv = [FFMPEG.ffmpeg, "-v", "error", "-i", str(wav), "-c:a", "aac", "-f", "ipod", str(book)]
    assert process.run(argv).ok
    [quiet] = [one for one in silence.find(book, FFMPEG, timeout=60) if one.length > 0.9]
    assert 2.5 < quiet.start < 3.1 and 3.9 < quiet.end < 4.5
    edited = editing.split(book, FFMPEG, longest=5, wanted=3.5)
    assert [title for _, title in told(book)] == ["Chapter 1 (1)", "Chapter 1 (2)"]
    assert abs(edited.chapters[1].start / edited.heard.rate - quiet.middle) < 0.001
    assert not editing.split(book, FFMPEG, longest=5, wanted=3.5).changed


def shelf(folder: Path, *parts: Path) -> Book:
    extras = tuple(sorted(one for one in folder.rglob("*") if one.is_file() and one not in parts))
    listed = tuple(Part(path, path.name, path.stat().st_size) for path in parts)
    return Book("Book", folder, Structure.FLAT, listed, extras, "f")


def test_a_picture_called_cover_goes_before_the_one_in_a_part_and_that_before_any_other(
    tmp_path: Path,
) -> None:
    inside = recordings.picture(tmp_path / "work" / "inside.png", colour="red")
    folder = tmp_path / "book"
    part = speak("So", folder / "1.mp3", seconds=1, rate=RATE, cover=inside).path
    sources = [probe(part, FFMPEG)]
    recordings.picture(folder / "back.jpg", size=300)
    found = cover.best(shelf(folder, part), sources, FFMPEG, tmp_path)
    assert found is not None and found.origin == "embedded in 1.mp3"
    assert found.path.read_bytes() == inside.read_bytes() and found.format == "png"
    recordings.picture(folder / "Folder.JPG")
    found = cover.best(shelf(folder, part), sources, FFMPEG, tmp_path)
    assert found is not None and (found.origin, found.format) == ("Folder.JPG", "jpeg")
    assert found.size == (folder / "Folder.JPG").stat().st_size
    bare = speak("So", folder / "2.mp3", seconds=1, rate=RATE).path
    (folder / "Folder.JPG").unlink()
    found = cover.best(shelf(folder, bare), [probe(bare, FFMPEG)], FFMPEG, tmp_path)
    assert found is not None and found.origin == "back.jpg"


def test_pictures_that_cannot_be_shown_are_left_out_and_said(tmp_path: Path) -> None:
    folder = tmp_path / "book"
    part = speak("So", folder / "1.mp3", seconds=1, rate=RATE).path
    whole = recordings.picture(tmp_path / "whole.png", size=400).read_bytes()
    (folder / "cover.png").write_bytes(whole[: len(whole) // 2])
    (folder / "cover.jpg").write_text("<html>404</html>")
    (folder / "folder.jpg").touch()
    said: list[str] = []
    book, sources = shelf(folder, part), [probe(part, FFMPEG)]
    assert cover.best(book, sources, FFMPEG, tmp_path, tell=said.append) is None
    assert len(said) == 3 and all("cannot be shown" in one for one in said)


def test_a_picture_of_another_kind_becomes_a_jpeg_whatever_it_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "book"
    part = speak("So", folder / "1.mp3", seconds=1, rate=RATE).path
    png = recordings.picture(tmp_path / "a.png")
    argv = [FFMPEG.ffmpeg, "-v", "error", "-i", str(png), "-f", "image2pipe", "-c:v", "bmp"]
    assert process.run([*argv, str(folder / "cover.jpg")]).ok
    found = cover.best(shelf(folder, part), [probe(part, FFMPEG)], FFMPEG, tmp_path)
    assert found is not None and found.format == "jpeg"
    cover.shown(found.path, FFMPEG)

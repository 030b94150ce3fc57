"""Tags are written into real files: every field is read back, and sound and chapters are what they were."""

import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest
from mutagen.mp4 import MP4, AtomDataType, MP4Cover, MP4FreeForm

from medialift.audiobooks import finish, programs, tag_writing, tags
from medialift.audiobooks.chapter import Chapter
from medialift.audiobooks.metadata.model import Metadata, Series
from medialift.audiobooks.time_left import TimeLeft
from medialift.errors import Permanent, Transient
from sandbox.audiobooks import recordings

FREE = "----:com.apple.iTunes:"
BOOK = Metadata(
    title="Ämter & “Würden” 🎧",
    subtitle="A Tale",
    authors=("Ada Example", "Bo Two"),
    narrators=("Cy Voice",),
    series=Series("Harbour Tales", "2"),
    publisher="Quay Press",
    release_date="2021-03-04",
    year=2021,
    language="english",
    genres=("Mystery, Thriller & Suspense", "Crime"),
    description="First.\n\nSecond; " + "long " * 400 + "end.",
    copyright="©2021 Ada",
    asin="B0TEST0001",
    isbn="9780306406157",
    rating=4.6,
    explicit=True,
    format="unabridged",
    product_url="https://www.audible.com/pd/B0TEST0001",
)
# What ffprobe (5.1) calls the fields that it shows. "rating" is there the advisory and the stars in one.
SHOWN = {
    "title": BOOK.title,
    "album": BOOK.title,
    "artist": "Ada Example, Bo Two, Cy Voice",
    "album_artist": "Ada Example, Bo Two",
    "ALBUMARTISTS": "Ada Example; Bo Two",
    "composer": "Cy Voice",
    "sort_album": f"Harbour Tales 2 - {BOOK.title}",
    "grouping": "Harbour Tales, Book #2",
    "genre": "Mystery, Thriller & Suspense; Crime",
    "date": "2021",
    "RELEASETIME": "2021-03-04",
    "ASIN": "B0TEST0001",
    "ISBN": "9780306406157",
    "LANGUAGE": "English",
    "WWWAUDIOFILE": "https://www.audible.com/pd/B0TEST0001",
    "comment": BOOK.description,
    "description": BOOK.description,
    "synopsis": BOOK.description,
    "copyright": "©2021 Ada",
    "FORMAT": "Unabridged",
    "RATING WMP": "255",
    "media_type": "2",
    "gapless_playback": "1",
}
FREEFORM_SHOWN = {
    "subtitle": "A Tale",
    "PUBLISHER": "Quay Press",
    "SERIES": "Harbour Tales",
    "SERIES-PART": "2",
    "EXPLICIT": "1",
}


@pytest.fixture(scope="session")
def spoken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tagged")
    chapters = [(0, "One"), (1.25, "“Two” 🎧"), (2.5, "Three")]
    return recordings.speak(
        "The lighthouse keeper wrote it down.",
        folder / "spoken.m4b",
        codec="m4b",
        seconds=3.5,
        chapters=chapters,
        tags={"title": "Track 1", "comment": "Read by somebody"},
    )


@pytest.fixture(scope="session")
def found():
    return programs.found()


@pytest.fixture
def book(spoken, tmp_path):
    return Path(shutil.copy(spoken.path, tmp_path / "It's “50%” – 🎧: a book.m4b"))


def write(file, known=BOOK, scheme="both", picture=None, left=None):
    held = tags.wanted(known, scheme)
    left = left or TimeLeft.of(60)
    tag_writing.write(file, held, programs=programs.found(), left=left, picture=picture)
    return held


def shown(file):
    argv = [
        "ffprobe",
        "-v",
        "error",
        "-print_format",
        "json",
        "-show_format",
        "-show_chapters",
        f"file:{file}",
    ]
    return json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("scheme", ["itunes", "freeform", "both"])
def test_every_field_is_read_back_by_mutagen_in_its_own_type(book, scheme):
    held = write(book, scheme=scheme)
    assert tags.read(book) == held
    raw = MP4(book).tags
    assert raw["stik"] == [2] and raw["pgap"] is True and raw["shwm"] == [1]
    assert raw[FREE + "ASIN"] == [MP4FreeForm(b"B0TEST0001", AtomDataType.UTF8)]
    if scheme != "freeform":
        assert raw["©mvi"] == [2] and raw["rtng"] == [1]
    for atom, text in held.items():
        if atom in ("stik", "pgap", "shwm", "rtng", "©mvi"):
            continue
        value = raw[atom][0]
        assert (value.decode() if isinstance(value, bytes) else value) == text


def test_ffprobe_shows_every_field_that_it_knows(book):
    write(book)
    told = shown(book)["format"]["tags"]
    assert {name: told.get(name) for name in SHOWN} == SHOWN
    write(book, scheme="freeform")
    told = shown(book)["format"]["tags"]
    lower = {name.lower(): value for name, value in told.items()}
    assert {name: lower.get(name.lower()) for name in FREEFORM_SHOWN} == FREEFORM_SHOWN
    assert lower["rating"] == "4.6"


def test_chapters_and_sound_are_what_they_were(book, spoken, found):
    before, pcm = shown(book)["chapters"], recordings.pcm(book)
    picture = recordings.picture(book.with_name("c.png"), size=600).read_bytes()
    write(book, picture=picture)
    write(book, known=Metadata(title="Short"))  # the atoms shrink again
    assert shown(book)["chapters"] == before and len(before) == 3
    assert [one.title for one in MP4(book).chapters] == ["One", "“Two” 🎧", "Three"]
    assert recordings.pcm(book) == pcm
    assert len(pcm) >= spoken.samples


@pytest.mark.parametrize(("name", "kind"), [("c.jpg", MP4Cover.FORMAT_JPEG), ("c.png", MP4Cover.FORMAT_PNG)])
def test_a_cover_takes_the_place_of_the_old_one_and_can_be_decoded(book, tmp_path, name, kind):
    write(book, picture=recordings.picture(tmp_path / "old.jpg", colour="red").read_bytes())
    picture = recordings.picture(tmp_path / name, size=80).read_bytes()
    write(book, picture=picture)
    covers = MP4(book).tags["covr"]
    assert [(bytes(one), one.imageformat) for one in covers] == [(picture, kind)]
    assert tags.cover(book) == picture
    argv = ["ffmpeg", "-v", "error", "-i", f"file:{book}", "-map", "0:v", "-f", "null", "-"]
    assert subprocess.run(argv, capture_output=True, check=True).stderr == b""
    write(book)
    assert tags.cover(book) == picture


def test_a_book_of_our_own_writer_keeps_every_sample_and_both_kinds_of_chapters(spoken, found, tmp_path):
    book, rate = tmp_path / "book.m4b", spoken.rate
    ends = [round(spoken.samples * share) for share in (0.3, 0.7, 1)]
    chapters = [Chapter(start, end, f"“{end}”") for start, end in zip([0, *ends], ends, strict=False)]
    cover = recordings.picture(tmp_path / "c.jpg")
    finish.finish(spoken.path, chapters, rate, cover, book, found)
    heard, told, pcm = finish.heard(book), finish.read_chapters(book, found), recordings.pcm(book)
    write(book, picture=recordings.picture(tmp_path / "d.png", size=700).read_bytes())
    write(book, known=Metadata(title="Short"))
    assert (finish.heard(book), finish.read_chapters(book, found), recordings.pcm(book)) == (heard, told, pcm)
    assert heard.samples == spoken.samples
    assert [one.title for one in MP4(book).chapters] == [one.title for one in chapters]
    # And the other way round: other chapters leave the tags as they are.
    held, picture = tags.read(book), tags.cover(book)
    finish.write_chapters(book, [Chapter(0, spoken.samples, "All")], rate, book)
    assert (tags.read(book), tags.cover(book)) == (held, picture)


@pytest.mark.parametrize("damage", [b"GIF89a", b"", b"\xff\xd8\xff garbage", "half"])
def test_a_picture_that_cannot_be_decoded_is_refused_and_the_book_untouched(book, tmp_path, damage):
    if damage == "half":
        whole = recordings.picture(tmp_path / "c.png", size=600).read_bytes()
        damage = whole[: len(whole) // 2]
    before = digest(book)
    with pytest.raises(Permanent, match="cover"):
        write(book, picture=damage)
    assert digest(book) == before


def test_empty_atoms_are_taken_away_and_those_of_others_stay(book):
    raw = MP4(book)
    raw.tags.update(
        {
            "©lyr": ["\0"],
            "catg": [""],
            FREE + "MOOD": [MP4FreeForm(b"calm")],
            FREE + "NOTHING": [MP4FreeForm(b"")],
            FREE + "asin": [MP4FreeForm(b"B0WRONG001")],
            "©mvn": ["Wrong series"],
            "tvsh": ["Show"],
        }
    )
    raw.save()
    assert tags.read(book)[FREE + "ASIN"] == "B0WRONG001"
    write(book, known=Metadata(title="T", asin="B0TEST0001"))
    held = MP4(book).tags
    assert held[FREE + "MOOD"] == [b"calm"] and held["tvsh"] == ["Show"]
    for gone in ("©lyr", "catg", FREE + "NOTHING", FREE + "asin", "©mvn"):
        assert gone not in held
    assert held[FREE + "ASIN"] == [b"B0TEST0001"]
    assert all(value for key, value in held.items() if isinstance(value, list))


def test_a_file_without_any_tags_gets_them(book):
    raw = MP4(book)
    raw.delete()
    bare = recordings.pcm(book)
    held = write(book)
    assert tags.read(book) == held
    assert recordings.pcm(book) == bare


def test_mode_and_neighbours_stay(book):
    book.chmod(0o640)
    write(book)
    assert stat.S_IMODE(book.stat().st_mode) == 0o640
    assert [one.name for one in book.parent.iterdir()] == [book.name]


def test_what_is_no_m4b_is_refused(tmp_path):
    text = tmp_path / "book.m4b"
    text.write_bytes(b"no audio at all")
    with pytest.raises(Permanent):
        write(text)
    with pytest.raises(Permanent, match="no M4B"):
        tags.read(text)
    mp3 = recordings.speak("One.", tmp_path / "other.m4b", codec="mp3", seconds=0.5).path
    before = digest(mp3)
    with pytest.raises(Permanent):
        write(mp3)
    assert digest(mp3) == before and sorted(one.name for one in tmp_path.iterdir()) == [
        "book.m4b",
        "other.m4b",
    ]


def drop_chapters(copy):
    argv = ["ffmpeg", "-v", "error", "-y", "-i", copy, "-map", "0:a", "-c", "copy", "-map_chapters", "-1"]
    subprocess.run([*argv, "-f", "ipod", f"{copy}.x"], check=True)
    Path(f"{copy}.x").replace(copy)


def other_sound(copy):
    argv = ["ffmpeg", "-v", "error", "-y", "-i", copy, "-map", "0:a", "-b:a", "32k"]
    subprocess.run([*argv, "-f", "ipod", f"{copy}.x"], check=True)
    Path(f"{copy}.x").replace(copy)


@pytest.mark.parametrize(("edit", "what"), [(drop_chapters, "chapters"), (other_sound, "sound")])
def test_an_edit_that_would_change_the_book_is_refused_and_the_book_untouched(book, found, edit, what):
    before = digest(book)
    with pytest.raises(Permanent, match=what):
        tag_writing.replace(book, edit, programs=found, left=TimeLeft.of(60))
    assert digest(book) == before
    assert [one.name for one in book.parent.iterdir()] == [book.name]


WRITING = """
import os, resource, signal, sys
from pathlib import Path
from medialift.audiobooks import finish, programs, tag_writing, tags
from medialift.audiobooks.chapter import Chapter
from medialift.audiobooks.metadata.model import Metadata
from medialift.audiobooks.time_left import TimeLeft
book, how = Path(sys.argv[1]), sys.argv[2]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
if how == "crash":
    def edit(copy):
        file = tags.opened(copy)
        tags.put(file, {"©nam": "half"}, None)
        file.save()
        os.kill(os.getpid(), signal.SIGKILL)
    tag_writing.replace(book, edit, programs=programs.found(), left=TimeLeft.of(60))
size = book.stat().st_size
most = size // 2 if how == "full while copying" else size + 100
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
known = Metadata(title="T", description="long " * 20_000)
tag_writing.write(book, tags.wanted(known, "both"), programs=programs.found(), left=TimeLeft.of(60))
"""


@pytest.mark.parametrize("how", ["crash", "full while copying", "full while tagging"])
def test_a_crash_or_a_full_disk_while_tagging_leaves_the_old_file_whole(book, how):
    before = digest(book)
    done = subprocess.run(
        [sys.executable, "-c", WRITING, str(book), how],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert digest(book) == before
    if how == "crash":
        assert done.returncode == -signal.SIGKILL
        assert len(list(book.parent.iterdir())) == 2
        tag_writing.sweep(book.parent)
    else:
        assert "OSError" in done.stderr and "File too large" in done.stderr
        assert done.stderr.strip().splitlines()[-1].startswith("OSError")
    assert [one.name for one in book.parent.iterdir()] == [book.name]
    write(book)
    assert tags.read(book)["©nam"] == BOOK.title


def test_at_the_deadline_or_when_stopped_the_old_file_is_whole(book):
    before = digest(book)
    stopped = Event()
    stopped.set()
    with pytest.raises(Transient, match="stopped"):
        write(book, left=TimeLeft.of(60, stopped))
    with pytest.raises(Transient, match="too long"):
        write(book, left=TimeLeft.of(0))
    assert digest(book) == before
    assert [one.name for one in book.parent.iterdir()] == [book.name]

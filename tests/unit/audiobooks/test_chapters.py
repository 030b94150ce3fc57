"""Where chapters begin and what they are called."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import pytest

from medialift.audiobooks import chapters
from medialift.audiobooks.book import Book, Part, Structure
from medialift.audiobooks.chapters import ChapterPlan, cue, listing, titles
from medialift.audiobooks.chapters.encodings import decoded
from medialift.audiobooks.chapters.mark import Mark, seconds_of, written
from medialift.audiobooks.metadata.audnexus import ChapterTitles, TitledChapter
from medialift.audiobooks.silence import Silence
from medialift.audiobooks.source import EmbeddedChapter, Source
from medialift.settings import AudiobooksSettings

RATE = 44_100


class Shelf:
    """A book of parts of given lengths, planned with what lies beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts: list[Part] = []
        self.sources: list[Source] = []
        self.samples: list[int] = []

    def part(
        self, name: str, seconds: float, *, title: str = "", inner: tuple[tuple[float, str], ...] = ()
    ) -> None:
        path = self.folder / name
        ends = [*(start for start, _ in inner[1:]), seconds]
        embedded = tuple(
            EmbeddedChapter(start, end, called) for (start, called), end in zip(inner, ends, strict=False)
        )
        tags = {"title": title} if title else {}
        self.parts.append(Part(path, name, 1000))
        self.sources.append(
            Source(path, "mp3", "mp3", "", RATE, 1, 64_000, seconds, tags=tags, chapters=embedded)
        )
        self.samples.append(round(seconds * RATE))

    def beside(self, name: str, content: str | bytes) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    def plan(self, *, audnexus=None, silences=None, **settings: object) -> ChapterPlan:
        extras = tuple(sorted(one for one in self.folder.rglob("*") if one.is_file()))
        book = Book("Book", self.folder, Structure.FLAT, tuple(self.parts), extras, "f")
        chosen = AudiobooksSettings.model_validate(settings)
        return chapters.plan(
            book, self.sources, self.samples, RATE, chosen, audnexus=audnexus, silences=silences
        )


def theirs(*lengths: float, intro: float = 0.0, outro: float = 0.0, accurate: bool = True) -> ChapterTitles:
    """What Audnexus has of a recording whose chapters are so long, in seconds."""
    offsets = [0.0, *accumulate(lengths)]
    told = tuple(
        TitledChapter(start, seconds, f"Theirs {number}")
        for number, (start, seconds) in enumerate(zip(offsets, lengths, strict=False))
    )
    return ChapterTitles("B0", "us", offsets[-1], intro, outro, accurate, told)


def called(plan: ChapterPlan) -> list[str]:
    return [one.title for one in plan.chapters]


def starts(plan: ChapterPlan) -> list[float]:
    return [round(one.start / RATE, 6) for one in plan.chapters]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


@pytest.fixture
def three(shelf: Shelf) -> Shelf:
    for number, title in enumerate(("Dawn", "Noon", "Dusk"), start=1):
        shelf.part(f"0{number} - Ledger - {title} Light.mp3", 600.25, title=title)
    return shelf


def test_each_part_is_a_chapter_from_its_first_sample_to_its_last(three: Shelf) -> None:
    three.samples = [26_471_025, 1_000_003, 77_777]
    plan = three.plan()
    assert [(one.start, one.end) for one in plan.chapters] == [
        (0, 26_471_025),
        (26_471_025, 27_471_028),
        (27_471_028, 27_548_805),
    ]


def test_tags_go_before_names_unless_names_are_wanted(three: Shelf) -> None:
    assert (called(three.plan()), three.plan().titles_from) == (["Dawn", "Noon", "Dusk"], "tags")
    plan = three.plan(filenames_as_chapters=True)
    assert (called(plan), plan.titles_from) == (["Dawn Light", "Noon Light", "Dusk Light"], "file names")


def test_tracks_that_are_all_called_as_the_book_are_called_by_their_names(shelf: Shelf) -> None:
    for number, name in enumerate(("Dawn", "Noon", "Dusk"), start=1):
        shelf.part(f"{number:02} {name}.mp3", 60, title="The Ledger")
    assert called(shelf.plan()) == ["Dawn", "Noon", "Dusk"]


def test_what_only_counts_becomes_chapter_one_two_three(shelf: Shelf) -> None:
    for number in range(1, 4):
        shelf.part(f"The Ledger {number:03}.mp3", 60, title=f"Track {number:02}")
    plan = shelf.plan()
    assert (called(plan), plan.titles_from) == (["Chapter 1", "Chapter 2", "Chapter 3"], "numbers")


def test_a_missing_tag_is_filled_from_the_name(three: Shelf) -> None:
    three.sources[1] = Source(**{**vars(three.sources[1]), "tags": {}})
    assert called(three.plan()) == ["Dawn", "Noon Light", "Dusk"]


def test_a_list_beside_the_book_goes_before_everything(three: Shelf) -> None:
    three.beside("chapters.txt", "## total-duration: 00:30:00.750\n#\n00:00:00.000 One\n00:10:00.5 Two\n")
    plan = three.plan(audnexus=theirs(1800.75), filenames_as_chapters=True)
    assert (called(plan), starts(plan)) == (["One", "Two"], [0.0, 600.5])
    assert plan.titles_from == "chapters.txt"
    assert plan.chapters[-1].end == sum(three.samples)


def test_a_list_of_titles_names_the_chapters_that_there_are(three: Shelf) -> None:
    three.beside("chapters.txt", "Uno\nDos\nTres\n")
    assert called(three.plan()) == ["Uno", "Dos", "Tres"]
    three.beside("chapters.txt", "Uno\nDos\n")
    plan = three.plan()
    assert called(plan) == ["Dawn", "Noon", "Dusk"]
    assert plan.notes == ("chapters.txt has 2 titles for 3 chapters",)


def test_a_list_of_another_edition_is_left_out_and_said(three: Shelf) -> None:
    three.beside("chapters.txt", "00:00:00.000 One\n09:10:00.000 Two\n")
    plan = three.plan()
    assert called(plan) == ["Dawn", "Noon", "Dusk"]
    assert any("behind the end" in note for note in plan.notes)


def test_a_list_called_after_a_part_speaks_of_that_part(three: Shelf) -> None:
    three.beside(f"{Path(three.parts[1].name).stem}.chapters.txt", "0:00 Early\n5:00 Late\n")
    plan = three.plan()
    assert called(plan) == ["Dawn", "Early", "Late", "Dusk"]
    assert starts(plan) == [0.0, 600.25, 900.25, 1200.5]


def test_a_list_in_the_folder_of_a_disc_speaks_of_that_disc(shelf: Shelf) -> None:
    for disc, track in ((1, 1), (1, 2), (2, 1), (2, 2), (2, 3)):
        shelf.part(f"CD{disc}/{track}.mp3", 100.5, title=f"{disc} {track} x")
    shelf.beside("CD2/chapters.txt", "0:00 Early\n2:00 Late\n")
    plan = shelf.plan()
    assert called(plan) == ["1 1 x", "1 2 x", "Early", "Late"]
    assert starts(plan) == [0, 100.5, 201, 321]


def test_a_cue_sheet_of_a_single_file_fits_under_any_name_and_counts_in_frames(shelf: Shelf) -> None:
    shelf.part("renamed.mp3", 3000)
    shelf.beside(
        "old.cue",
        'TITLE "The Ledger"\nFILE "C:\\rip\\ledger.wav" WAVE\n'
        '  TRACK 01 AUDIO\n    TITLE "Dawn"\n    INDEX 01 00:00:00\n'
        '  TRACK 02 AUDIO\n    TITLE "Dusk"\n    INDEX 00 24:59:00\n    INDEX 01 25:00:37\n',
    )
    plan = shelf.plan()
    assert (called(plan), plan.titles_from) == (["Dawn", "Dusk"], "cue sheet")
    assert plan.chapters[1].start == 1500 * RATE + round(37 * RATE / 75)


def test_a_cue_sheet_of_several_files_finds_them_by_name_whatever_their_ending(three: Shelf) -> None:
    second = Path(three.parts[1].name).stem
    three.beside(
        "sheet.cue",
        f'FILE "{second}.WAV" WAVE\nTRACK 01 AUDIO\nTITLE Noon\nINDEX 01 00:00:00\n'
        "TRACK 02 AUDIO\nTITLE Tea\nINDEX 01 01:00:00\n",
    )
    assert called(three.plan()) == ["Dawn", "Noon", "Tea", "Dusk"]


def test_each_disc_has_its_own_sheet_even_when_all_discs_call_their_files_alike(shelf: Shelf) -> None:
    for disc in ("CD1", "CD2"):
        shelf.part(f"{disc}/disc.mp3", 600)
        tracks = "".join(
            f"TRACK 0{one} AUDIO\nTITLE {disc} {one}\nINDEX 01 0{one - 1}:00:00\n" for one in (1, 2)
        )
        shelf.beside(f"{disc}/disc.cue", f'FILE "disc.mp3" MP3\n{tracks}')
    plan = shelf.plan()
    assert called(plan) == ["CD1 1", "CD1 2", "CD2 1", "CD2 2"]
    assert starts(plan) == [0, 60, 600, 660]


def test_a_sheet_of_other_files_is_left_out_and_said(three: Shelf) -> None:
    three.beside("sheet.cue", 'FILE "elsewhere.wav" WAVE\nTRACK 01 AUDIO\nTITLE No\nINDEX 01 00:00:00\n')
    plan = three.plan()
    assert called(plan) == ["Dawn", "Noon", "Dusk"]
    assert any("elsewhere.wav" in note for note in plan.notes)


def test_parts_contribute_the_chapters_that_they_bring_along(shelf: Shelf) -> None:
    shelf.part("1.m4b", 100, title="One", inner=((0, "Dawn"), (40.5, "Noon")))
    shelf.part("2.m4b", 50, title="Two")
    shelf.part("3.m4b", 80, title="Three", inner=((0, "Dusk"), (79.99, "Click")))
    plan = shelf.plan()
    assert called(plan) == ["Dawn", "Noon", "Two", "Dusk"]
    assert starts(plan) == [0, 40.5, 100, 150]
    assert plan.titles_from == "embedded chapters"


def test_chapters_that_lie_behind_the_end_of_their_part_are_left_out_and_said(shelf: Shelf) -> None:
    shelf.part("1.m4b", 100, title="One", inner=((0, "Dawn"), (500, "Nowhere")))
    shelf.part("2.m4b", 100, title="Two")
    plan = shelf.plan()
    assert (called(plan), starts(plan)) == (["One", "Two"], [0, 100])
    assert any("embedded chapters: 1 of 2" in note for note in plan.notes)


def test_marks_of_a_lending_library_are_chapters_that_may_go_on_in_the_next_file(shelf: Shelf) -> None:
    told = (
        "<Marker><Name>Dawn</Name><Time>0:00.000</Time></Marker>"
        "<Marker><Name>Noon &amp; Tea</Name><Time>1:02.500</Time></Marker>"
        "<Marker><Name>Noon &amp; Tea (01:30)</Name><Time>1:30.000</Time></Marker>",
        "<Marker><Name>Noon &amp; Tea (continued)</Name><Time>0:00.000</Time></Marker>"
        "<Marker><Name>Dusk</Name><Time>0:40.000</Time></Marker>",
    )
    for number, markers in enumerate(told, start=1):
        shelf.part(f"{number}.mp3", 100)
        tags = {"overdrive mediamarkers": f"<Markers>{markers}</Markers>"}
        shelf.sources[-1] = Source(**{**vars(shelf.sources[-1]), "tags": tags})
    plan = shelf.plan()
    assert called(plan) == ["Dawn", "Noon & Tea", "Dusk"]
    assert starts(plan) == [0, 62.5, 140]


def test_audnexus_names_the_chapters_when_runtime_and_number_agree(three: Shelf) -> None:
    plan = three.plan(audnexus=theirs(600, 600, 600))
    assert (called(plan), plan.titles_from) == (["Theirs 0", "Theirs 1", "Theirs 2"], "audnexus")
    assert starts(plan) == [0.0, 600.25, 1200.5]
    unasked = three.plan(audnexus=theirs(600, 600, 600), audnexus_chapters=False)
    assert called(unasked) == ["Dawn", "Noon", "Dusk"]


@pytest.mark.parametrize(
    ("told", "note"), [(theirs(700, 700, 700), "2100 s"), (theirs(900, 900), "2 chapters")]
)
def test_audnexus_is_not_believed_about_another_recording_or_another_division(
    told: ChapterTitles, note: str, three: Shelf
) -> None:
    plan = three.plan(audnexus=told)
    assert called(plan) == ["Dawn", "Noon", "Dusk"]
    assert any(note in one for one in plan.notes)


def test_audnexus_divides_a_single_file_only_when_it_is_the_very_same_recording(shelf: Shelf) -> None:
    shelf.part("book.mp3", 1801)
    assert starts(shelf.plan(audnexus=theirs(700.5, 1100))) == [0.0, 700.5]
    assert starts(shelf.plan(audnexus=theirs(700.5, 1100, accurate=False))) == [0.0]
    shelf.samples = [1810 * RATE]
    assert starts(shelf.plan(audnexus=theirs(700.5, 1100))) == [0.0]


def test_an_edition_without_audibles_own_words_is_divided_earlier_by_their_length(shelf: Shelf) -> None:
    shelf.part("book.mp3", 1798)
    told = theirs(700, 1110, intro=7.5, outro=4.5)
    assert starts(shelf.plan(audnexus=told)) == [0.0, 692.5]


def test_long_chapters_are_split_at_the_longest_silence_near_where_a_piece_should_end(shelf: Shelf) -> None:
    shelf.part("1.mp3", 3600, title="Dawn")
    shelf.part("2.mp3", 600, title="Dusk")
    quiet = [Silence(100, 109), Silence(1190, 1190.5), Silence(1250, 1252), Silence(2395, 2396)]
    plan = shelf.plan(silences=lambda: quiet, longest_chapter=1800, wanted_chapter=1200)
    assert called(plan) == ["Dawn (1)", "Dawn (2)", "Dawn (3)", "Dusk"]
    assert starts(plan) == [0, 1251, 2395.5, 3600]
    assert plan.split == 2
    assert plan.chapters[0].end == plan.chapters[1].start


def test_silences_are_looked_for_only_when_a_chapter_is_too_long(three: Shelf) -> None:
    def never() -> list[Silence]:
        raise AssertionError("nothing is too long")

    assert len(three.plan(silences=never, longest_chapter=900).chapters) == 3
    assert len(three.plan(silences=never).chapters) == 3


def test_without_a_silence_a_chapter_stays_whole_and_that_is_said(shelf: Shelf) -> None:
    shelf.part("1.mp3", 3600, title="Dawn")
    plan = shelf.plan(silences=[], longest_chapter=1800)
    assert called(plan) == ["Dawn"]
    assert any("No silence" in note for note in plan.notes)


def test_a_title_of_any_length_and_kind_fits_into_a_file(shelf: Shelf) -> None:
    shelf.part("1.mp3", 60, title="Ärger\n\tund\x00 " + "🎧" * 100)
    shelf.part("2.mp3", 60, title="Two")
    title = called(shelf.plan())[0]
    assert title.startswith("Ärger und 🎧") and len(title.encode()) <= 255


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["01 - Dawn", "02 - Dusk"], ["Dawn", "Dusk"]),
        (["The Arrival", "The Departure"], ["The Arrival", "The Departure"]),
        (["Ledger 01 Dawn", "Ledger 02 Dusk"], ["Dawn", "Dusk"]),
        (["01_Ledger_-_Dawn", "02_Ledger_-_Dusk"], ["Dawn", "Dusk"]),
        (["CD1 - 01 - Dawn", "CD2 - 01 - Dusk"], ["Dawn", "Dusk"]),
        (["Dawn (Unabridged)", "Dusk (Unabridged)"], ["Dawn", "Dusk"]),
        (["1984 (1)", "1984 (2)"], ["", ""]),
        (["Chapter 1", "Chapter 2"], ["", ""]),
        (["001", "002"], ["", ""]),
        (["Red Door", "Blue Door"], ["Red Door", "Blue Door"]),
        (["1-01 It's", "1-02 “So”"], ["It's", "“So”"]),
        (["1984"], [""]),
        (["The Ledger"], ["The Ledger"]),
    ],
)
def test_what_names_share_and_count_is_taken_away(names: list[str], expected: list[str]) -> None:
    assert titles.from_names(names) == expected


@pytest.mark.parametrize(
    ("line", "seconds", "title"),
    [
        ("00:00:00.000 The Arrival", 0, "The Arrival"),
        ("1:02:03.5 - It's 5:30 – so", 3723.5, "It's 5:30 – so"),
        ("62:03,25 Late", 3723.25, "Late"),
        ("00:12:34.567", 754.567, ""),
    ],
)
def test_a_line_of_a_list_is_a_time_and_a_title(line: str, seconds: float, title: str) -> None:
    [mark] = listing.read(line).marks
    assert (float(mark.seconds), mark.title) == (seconds, title)


def test_the_form_of_ogm_is_read_too() -> None:
    read = listing.read(
        "CHAPTER02=00:01:00.000\nCHAPTER02NAME=Two\nCHAPTER01=00:00:00.000\nCHAPTER01NAME=One\n"
    )
    assert [(float(one.seconds), one.title) for one in read.marks] == [(0, "One"), (60, "Two")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_lists_in_any_usual_encoding_are_read(encoding: str) -> None:
    text = "00:00:00.000 Größe und Maß – “Ende”\n00:01:00.000 Two\n"
    read = listing.read(decoded(text.encode(encoding)))
    assert [one.title for one in read.marks] == ["Größe und Maß – “Ende”", "Two"]


def test_what_is_written_is_read_again_to_the_millisecond() -> None:
    marks = [Mark(seconds_of("0:00") or 0, "One"), Mark(seconds_of("100:59:59.999") or 0, "Two # 2")]
    assert list(listing.read(listing.write(marks, total=363600)).marks) == marks
    assert written(3599.9996) == "01:00:00.000"
    [sheet] = cue.read(cue.write(marks, "it's “a” book.m4b"))
    assert sheet.name == "it's “a” book.m4b"
    assert [one.title for one in sheet.marks] == ["One", "Two # 2"]
    assert abs(sheet.marks[1].seconds - marks[1].seconds) < 0.007


@pytest.mark.parametrize(
    "broken", ["", "TRACK 01 AUDIO\nINDEX 01 00:00:00", 'FILE "a" MP3\nTRACK x\nINDEX 01 zz']
)
def test_a_broken_sheet_tells_nothing(broken: str) -> None:
    assert cue.read(broken) == ()

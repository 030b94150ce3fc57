"""Inboxes as years of odd downloads leave them: a folder is understood as what it is, or refused in words."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medialift.audiobooks import inbox, structure
from medialift.audiobooks.book import Book, InSeries, Refused, Structure
from medialift.audiobooks.listing import File, Folder, shown
from medialift.audiobooks.structure import Rules, fingerprint
from tests.audiobook_folders import lay, settings_of, tracks


@pytest.fixture
def look(tmp_path):
    """What the inbox is when a tree is laid into it: {key: Book or Refused}."""

    def looked(tree, **changes):
        settings = settings_of(tmp_path, wait=0, **changes)
        lay(settings.inbox, tree)
        scan = inbox.scan(settings, now=4e9)
        assert not scan.waiting
        return {one.key: one for one in (*scan.books, *scan.refused)}

    return looked


def book(found, key):
    one = found[key]
    assert isinstance(one, Book), one
    return one


def refused(found, key):
    one = found[key]
    assert isinstance(one, Refused), one
    return one


def names(one):
    return [part.name for part in one.parts]


def test_a_file_in_the_inbox_is_a_book_with_what_is_named_like_it(look):
    found = look({"Title.m4b": 10, "Title.jpg": 1, "Title.chapters.txt": 1, "Other.jpg": 1})
    one = book(found, "Title.m4b")
    assert (one.structure, one.name, names(one)) == (Structure.STANDALONE, "Title", ["Title.m4b"])
    assert [path.name for path in one.extras] == ["Title.chapters.txt", "Title.jpg"]
    assert list(found) == ["Title.m4b"]


def test_a_folder_with_one_file_is_single_and_with_several_flat(look):
    found = look({"One": ["book.mp3"], "Many": [*tracks(10, 2, 1), "cover.jpg"]})
    assert book(found, "One").structure is Structure.SINGLE
    many = book(found, "Many")
    assert many.structure is Structure.FLAT
    assert names(many) == tracks(1, 2, 10)
    assert [path.name for path in many.extras] == ["cover.jpg"]


def test_discs_are_joined_in_the_order_of_their_numbers(look):
    found = look({"Title": {**{f"CD{n}": tracks(1, 2) for n in (10, 9, 8, 7, 6, 5, 4, 3, 2, 1)}}})
    one = book(found, "Title")
    assert one.structure is Structure.MULTI_DISC
    assert [part.disc for part in one.parts] == [n for n in range(1, 11) for _ in (1, 2)]
    assert names(one)[:2] == ["CD1/01 Track.mp3", "CD1/02 Track.mp3"]


@pytest.mark.parametrize(
    "folders",
    [
        ["Disc 1 of 2", "Disc 2 of 2"],
        ["Disk1", "Disk2"],
        ["Title (CD 1)", "Title (CD 2)"],
        ["disc_01 - Beginning", "disc_02 - End"],
        ["Disc One", "Disc Two"],
        ["CD I", "CD II"],
        ["CD1", "CD2", "Bonus"],
        ["CD1", "CD2", "Interview with the author"],
        ["CD1", "CD2", "scans"],
        ["CD0", "CD1", "CD2"],
    ],
)
def test_however_discs_are_named_they_are_one_book(look, folders):
    audio = {name: ["back.jpg"] if name == "scans" else tracks(1, 2) for name in folders}
    one = book(look({"Title": audio}), "Title")
    assert one.structure is Structure.MULTI_DISC
    assert not any("Bonus" in name or "Interview" in name for name in names(one))
    assert len(one.parts) + len(one.extras) == sum(len(files) for files in audio.values())


@pytest.mark.parametrize(
    "folders", [["Part 1", "Part 2"], ["pt1", "pt2"], ["ch 1", "ch 2"], ["Part I", "Part II"]]
)
def test_parts_are_joined_like_discs(look, folders):
    one = book(look({"Title": {name: tracks(1) for name in folders}}), "Title")
    assert one.structure is Structure.MULTI_PART
    assert [part.disc for part in one.parts] == [1, 2]


def test_a_disc_that_is_missing_is_named(look):
    one = refused(look({"Title": {"CD1": tracks(1), "CD3": tracks(1)}}), "Title")
    assert one.why == "Disc 2 is missing"
    one = refused(look({"More": {"Disc 1 of 3": tracks(1), "Disc 2 of 3": tracks(1)}}), "More")
    assert one.why == "Disc 3 is missing"
    assert "missing" in refused(look({"Late": {"CD2": tracks(1)}}), "Late").why


def test_two_folders_for_one_disc_are_refused(look):
    one = refused(look({"Title": {"CD1": tracks(1), "Disc 01": tracks(1)}}), "Title")
    assert one.why == "There are two folders for disc 1"


def test_discs_of_two_books_in_one_folder_are_refused(look):
    tree = {"Author": {f"{title} CD{n}": tracks(1) for title in ("Sea", "Land") for n in (1, 2)}}
    assert "several books" in refused(look(tree), "Author").why


def test_discs_beside_another_title_are_refused(look):
    one = refused(look({"Author": {"CD1": tracks(1), "CD2": tracks(1), "The Sea": tracks(1)}}), "Author")
    assert "The Sea" in one.why
    assert "CD1/" in one.tree


def test_files_beside_discs_are_refused_with_the_tree_and_what_to_rename(look):
    one = refused(look({"Title": {"intro.mp3": 100, "CD1": tracks(1), "CD2": tracks(1)}}), "Title")
    assert "1 file with audio" in one.why
    assert one.tree.splitlines()[0] == "Title/"
    assert "intro.mp3 (100 bytes)" in one.tree
    assert "'CD0'" in one.hint


def test_discs_that_are_not_to_be_joined_are_refused(look):
    one = refused(look({"Title": {"CD1": tracks(1), "CD2": tracks(1)}}, multi_disc=False), "Title")
    assert "multi_disc" in one.hint


def test_discs_that_lie_side_by_side_in_the_inbox_are_no_books(look):
    found = look({"Harbour CD1": tracks(1), "Harbour CD2": tracks(1), "Other": tracks(1)})
    assert refused(found, "Harbour CD1").hint.endswith("Harbour/CD1")
    assert sorted(found) == ["Harbour CD1", "Other"]


def test_loose_parts_in_the_inbox_are_no_books(look):
    found = look([*tracks(1, 2, 3), "Harbour Part 1.m4b", "Harbour Part 2.m4b", "Whole.mp3"])
    assert len(found) == 3
    assert book(found, "Whole.mp3")
    assert "03 Track.mp3" in refused(found, "01 Track.mp3").tree
    assert "Harbour Part 2.m4b" in refused(found, "Harbour Part 1.m4b").tree


def test_whole_m4b_in_the_inbox_are_books_even_when_they_are_numbered(look):
    found = look(["Harbour Tales 1.m4b", "Harbour Tales 2.m4b"])
    assert all(isinstance(one, Book) for one in found.values()) and len(found) == 2


@pytest.mark.parametrize(
    ("folders", "numbers"),
    [
        (["1 - Sea", "2 - Land", "10 - Air"], ["1", "2", "10"]),
        (["Book 1", "Book 2"], ["1", "2"]),
        (["Vol. 1 Sea", "Vol. 2 Land"], ["1", "2"]),
        (["#1 Sea", "#1.5 Pond", "#2 Land"], ["1", "1.5", "2"]),
        (["Harbour Tales 1 - Sea", "Harbour Tales 2 - Land"], ["1", "2"]),
        (["Book 1 - Sea", "A Companion"], ["1", ""]),
        (["Sea, Book One", "Land, Book Two"], ["1", "2"]),
    ],
)
def test_each_book_of_a_series_is_a_book_that_knows_its_number(look, folders, numbers):
    found = look({"Harbour Tales": {name: tracks(1, 2) for name in folders}})
    told = {key: one.series for key, one in found.items()}
    series = [InSeries("Harbour Tales", number) for number in numbers]
    assert told == dict(zip([f"Harbour Tales/{name}" for name in folders], series, strict=True))


def test_books_of_a_series_that_lie_as_m4b_in_one_folder_are_books(look):
    found = look({"Harbour Tales": ["Book 1 - Sea.m4b", "Book 2 - Land.m4b", "Book 1 - Sea.jpg"]})
    sea = book(found, "Harbour Tales/Book 1 - Sea.m4b")
    assert sea.structure is Structure.STANDALONE
    assert sea.series == InSeries("Harbour Tales", "1")
    assert [path.name for path in sea.extras] == ["Book 1 - Sea.jpg"]
    assert len(found) == 2


def test_a_bonus_beside_several_books_is_a_book_of_its_own(look):
    found = look({"Ada": {"Sea": tracks(1), "Land": tracks(1), "Bonus": tracks(1)}})
    assert sorted(found) == ["Ada/Bonus", "Ada/Land", "Ada/Sea"]


def test_a_series_within_an_authors_folder_keeps_its_own_name(look):
    found = look(
        {"Ada Example": {"Harbour Series": {"1 - Sea": tracks(1), "2 - Land": tracks(1)}, "Alone": tracks(1)}}
    )
    assert book(found, "Ada Example/Harbour Series/2 - Land").series == InSeries("Harbour", "2")
    assert book(found, "Ada Example/Alone").series is None


def test_a_series_that_is_not_to_be_taken_is_refused(look):
    one = refused(look({"S": {"Book 1": tracks(1), "Book 2": tracks(1)}}, series=False), "S")
    assert "audiobooks.series" in one.hint


def test_a_book_of_a_series_may_have_discs(look):
    found = look({"S": {"Book 1": {"CD1": tracks(1), "CD2": tracks(1)}, "Book 2": tracks(1)}})
    one = book(found, "S/Book 1")
    assert (one.structure, one.series) == (Structure.MULTI_DISC, InSeries("S", "1"))


def test_folders_that_hold_nothing_else_are_passed_through(look):
    one = book(look({"Ada Example": {"The Sea": tracks(1, 2)}}), "Ada Example/The Sea")
    assert (one.structure, one.name) == (Structure.FLAT_NESTED, "The Sea")


def test_a_second_title_beside_the_first_does_not_change_the_firsts_key(look):
    first = book(look({"Ada": {"The Sea": tracks(1, 2)}}), "Ada/The Sea")
    found = look({"Ada": {"The Land": tracks(1)}})
    assert book(found, "Ada/The Sea").fingerprint == first.fingerprint
    assert book(found, "Ada/The Land").series is None


@pytest.mark.parametrize("inner", ["mp3", "Audiobook", "64k", "MP3 64kbps"])
def test_a_folder_whose_name_says_nothing_is_not_the_book(look, inner):
    one = book(look({"The Sea": {inner: tracks(1, 2)}}), "The Sea")
    assert (one.structure, one.name) == (Structure.FLAT_NESTED, "The Sea")
    assert names(one) == [f"{inner}/{name}" for name in tracks(1, 2)]


def test_a_cover_beside_the_only_folder_goes_with_the_book(look):
    one = book(look({"The Sea": {"cover.jpg": 1, "The Sea (Unabridged)": tracks(1, 2)}}), "The Sea")
    assert [path.name for path in one.extras] == ["cover.jpg"]


def test_a_title_with_a_number_in_it_is_no_series(look):
    found = look({"Ada": {"100 Years": tracks(1), "The Sea": tracks(1)}})
    assert [one.series for one in found.values()] == [None, None]


def test_an_m4b_beside_the_parts_of_the_book_is_refused(look):
    one = refused(look({"Sea": [*tracks(1, 2), "Sea.m4b"]}), "Sea")
    assert "twice" in one.why and "Sea.m4b" in one.hint
    assert "twice" in refused(look({"Land": ["01.mp3", "01.flac"]}), "Land").why
    assert "twice" in refused(look({"Air": {"mp3": tracks(1), "m4b": ["Air.m4b"]}}), "Air").why


def test_an_m4b_among_parts_that_are_named_like_it_is_a_part(look):
    assert names(book(look({"Sea": ["01.mp3", "02.m4b", "03.mp3"]}), "Sea")) == ["01.mp3", "02.m4b", "03.mp3"]


def test_several_m4b_in_a_folder_are_parts_only_when_they_are_named_alike(look):
    found = look({"Sea": ["Sea Part 1.m4b", "Sea Part 2.m4b"], "Ada": ["Sea.m4b", "Land.m4b"]})
    assert book(found, "Sea").structure is Structure.FLAT
    assert "folder of its own" in refused(found, "Ada").hint


def test_folders_of_mere_numbers_are_refused(look):
    assert "CD 1" not in refused(look({"Title": {"1": tracks(1), "2": tracks(1)}}), "Title").tree


def test_hidden_files_and_the_droppings_of_servers_are_not_seen(look):
    found = look(
        {
            "Title": {
                "01.mp3": 10, ".DS_Store": 1, "._01.mp3": 1, "Thumbs.db": 1,
                "@eaDir": {"01.mp3": {"SYNOINDEX_MEDIA_INFO": 1}, "02.mp3": 9},
            },
            "@eaDir": {"Title": ["x.mp3"]},
        }
    )  # fmt: skip
    assert list(found) == ["Title"]
    one = book(found, "Title")
    assert names(one) == ["01.mp3"]
    assert one.extras == ()


def test_folders_without_audio_beside_the_audio_are_extras(look):
    one = book(
        look({"Title": {"01.mp3": 1, "Covers": {"front.jpg": 1}, "scans": {"a": {"b.pdf": 1}}}}), "Title"
    )
    assert sorted(path.name for path in one.extras) == ["b.pdf", "front.jpg"]


@pytest.mark.parametrize(
    ("name", "said"),
    [("book.aax", "DRM"), ("book.zip", "packed"), ("book.mpc", "no audio")],
)
def test_a_folder_without_audio_says_why_it_is_no_book(look, name, said):
    assert said in refused(look({"Title": [name]}), "Title").why


@pytest.mark.parametrize(("name", "said"), [("03.aax", "DRM"), ("03.mpc", "audio_types")])
def test_audio_that_would_be_left_out_of_a_book_is_said(look, name, said):
    one = refused(look({"Title": [*tracks(1, 2), name]}), "Title")
    assert said in one.why + one.hint and name in one.why


def test_a_protected_file_beside_the_same_one_without_protection_is_no_matter(look):
    assert names(book(look({"Title": ["Title.m4b", "Title.aax"]}), "Title")) == ["Title.m4b"]


def test_a_protected_file_in_the_inbox_is_said(look):
    assert "DRM" in refused(look(["book.aax"]), "book.aax").why


def test_what_a_finished_book_leaves_behind_is_not_complained_of(look):
    assert look({"Ada": {"author.jpg": 1}, "empty": {}, "notes.txt": 1}) == {}


def test_a_name_that_is_not_utf_8_is_refused_with_its_escape(tmp_path, look):
    settings = settings_of(tmp_path)
    lay(settings.inbox / "Title", [os.fsdecode(b"01 \xe9t\xe9.mp3")])
    one = refused(look({}), "Title")
    assert one.why == r"This name is not UTF-8: 01 \xe9t\xe9.mp3"
    assert "convmv" in one.hint
    assert r"01 \xe9t\xe9.mp3" in one.tree
    str(one).encode()


def test_a_folder_that_is_not_utf_8_has_a_key_that_can_be_written_down(look):
    found = look({os.fsdecode(b"\xe9t\xe9"): tracks(1)})
    assert list(found) == [r"\xe9t\xe9"]
    assert "not UTF-8" in refused(found, r"\xe9t\xe9").why


@pytest.mark.parametrize(
    "name", ['O\'Brien "quoted" $HOME `x`', "🎧 Hörbuch", "x" * 250, "Line\nbreak", "-rf", "CON"]
)
def test_names_that_break_scripts_are_names_like_others(look, name):
    one = book(look({name: {"01.mp3": 10}}), name)
    assert (one.root.name, one.key) == (name, name)


def test_a_name_is_shown_as_it_is_unless_it_steers_the_terminal():
    assert shown("🧑‍🚀 Hör\u00a0Buch") == "🧑‍🚀 Hör\u00a0Buch"
    assert shown("a\x1b[31m\nb\u202e") == r"a\x1b[31m\nb\u202e"


def test_a_link_in_a_circle_is_said(look, tmp_path):
    settings = settings_of(tmp_path)
    lay(settings.inbox / "Title", tracks(1))
    (settings.inbox / "Title" / "again").symlink_to("..")
    (settings.inbox / "Title" / "self.mp3").symlink_to("self.mp3")
    assert "leads back" in refused(look({}), "Title").why


def test_a_link_to_audio_is_read_and_one_that_leads_nowhere_is_said(look, tmp_path):
    settings = settings_of(tmp_path)
    elsewhere = lay(tmp_path / "seeding", tracks(1, 2))
    (settings.inbox / "Whole").symlink_to(elsewhere)
    lay(settings.inbox / "Broken", tracks(1))
    (settings.inbox / "Broken" / "02.mp3").symlink_to("/nowhere/02.mp3")
    found = look({})
    assert names(book(found, "Whole")) == tracks(1, 2)
    assert "leads nowhere" in refused(found, "Broken").why


def test_the_intakes_own_folders_may_lie_in_the_inbox(tmp_path):
    settings = settings_of(tmp_path, wait=0)
    settings = settings.model_copy(
        update={"archive": settings.inbox / "done" / "archive", "converted": settings.inbox / "converted"}
    )
    lay(settings.archive / "Old", tracks(1))
    lay(settings.converted / "New", ["New.m4b"])
    lay(settings.inbox / "Title", tracks(1))
    assert [one.key for one in inbox.scan(settings, now=4e9).books] == ["Title"]


def test_a_long_tree_is_cut_short(look):
    tree = {"Title": {**{f"{n:04}.mp3": 1 for n in range(1, 1001)}, "CD1": tracks(1), "CD2": tracks(1)}}
    one = refused(look(tree), "Title")
    assert "… 992 more files" in one.tree
    assert len(one.tree.splitlines()) <= 60


def test_a_folder_anywhere_is_understood_by_its_path(tmp_path):
    folder = lay(tmp_path / "elsewhere" / "Sea", tracks(1, 2))
    (one,) = inbox.understand(folder, folder.parent, settings_of(tmp_path))
    assert one.key == "Sea"


FILES = st.dictionaries(st.text("ab/é1", min_size=1, max_size=6), st.integers(0, 99), min_size=1, max_size=6)


@given(FILES)
def test_a_fingerprint_does_not_depend_on_the_order_in_which_files_are_found(files):
    assert fingerprint(files.items()) == fingerprint(reversed(list(files.items())))


@given(FILES, st.data())
def test_a_fingerprint_changes_with_any_name_and_any_size(files, data):
    name = data.draw(st.sampled_from(sorted(files)))
    before = fingerprint(files.items())
    assert fingerprint({**files, name: files[name] + 1}.items()) != before
    assert (
        fingerprint({one + ("!" if one == name else ""): size for one, size in files.items()}.items())
        != before
    )
    assert fingerprint([(one, size) for one, size in files.items() if one != name]) != before


FOLDERS = st.sampled_from(
    [
        "CD1",
        "CD2",
        "Disc 1 of 2",
        "Part 1",
        "Part 2",
        "Book 1",
        "2 - Land",
        "Bonus",
        "mp3",
        "1",
        "2",
        "Sea",
        "Ada",
    ]
)
LEAVES = st.dictionaries(
    st.sampled_from(
        [
            "01.mp3",
            "02.mp3",
            "x.m4b",
            "Book 1.m4b",
            "Book 2.m4b",
            "cover.jpg",
            "a.pdf",
            "b.aax",
            "c.part",
        ]
    ),
    st.integers(1, 9),
    max_size=3,
)
TREES = st.recursive(
    LEAVES,
    lambda below: st.builds(lambda a, b: {**a, **b}, LEAVES, st.dictionaries(FOLDERS, below, max_size=3)),
)


def as_read(path, tree):
    """The tree as the file system would be read."""
    files = [File(path / name, what) for name, what in tree.items() if isinstance(what, int)]
    folders = [as_read(path / name, what) for name, what in tree.items() if not isinstance(what, int)]
    return Folder(path, tuple(files), tuple(folders))


@given(TREES, st.booleans(), st.booleans())
def test_whatever_lies_there_every_audio_file_is_in_one_book_or_is_refused(tree, discs, series):
    inbox_folder = Path("/inbox")
    top = as_read(inbox_folder / "Top", tree)
    rules = Rules(frozenset({".mp3", ".m4b"}), discs, series)
    found = structure.understand(top, inbox_folder, rules)
    heard = [part.path for one in found if isinstance(one, Book) for part in one.parts]
    beside = [path for one in found if isinstance(one, Book) for path in one.extras]
    assert len(heard) == len(set(heard))
    assert not set(heard) & set(beside)
    refused_roots = [one.root for one in found if isinstance(one, Refused)]
    for file in top.all_files():
        if file.ending in rules.audio:
            told = file.path in heard or file.path in beside
            assert told or any(file.path.is_relative_to(root) for root in refused_roots)
    assert len({one.key for one in found}) == len(found)
    for one in found:
        if isinstance(one, Book):
            assert one.parts and all(part.path.is_relative_to(one.root) for part in one.parts)

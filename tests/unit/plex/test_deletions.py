"""What a scan took away is told item by item, and judged by what the store said of its files."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from medialift.errors import Permanent, Unsafe
from medialift.plex import media_store
from medialift.plex.census import Census, Losses, LostItem, LostPart, living_files
from medialift.plex.deletions import Judged, Policy, Quarantine, conclude, judge
from medialift.plex.lookup import Answer
from medialift.plex.media_store import MediaPlace
from medialift.plex.reckoning import NO_STORE, Reckoning
from medialift.plex.server import Section
from medialift.plex.undelete import undelete
from medialift.plex.unscanned import LeftOut, is_media
from sandbox.plex.builder import LibraryBuilder

THERE, GONE, UNKNOWN = Answer("there"), Answer("gone"), Answer("unknown", "503")


def section(key: int, name: str, kind: str) -> Section:
    return Section(str(key), name, kind, "", "", "", (f"/m/{name}",), False, 0)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[LibraryBuilder]:
    with LibraryBuilder(tmp_path / "library.db") as made:
        yield made


@pytest.fixture
def films(library: LibraryBuilder) -> list[int]:
    movies = library.add_section("Movies", "movie", "/m/Movies")
    return [library.add_movie(movies, f"/m/Movies/{n}.mkv", f"Film {n}") for n in range(4)]


MOVIES = section(1, "Movies", "movie")


def census(tmp_path: Path) -> Census:
    taken = Census(tmp_path / "census.db")
    taken.take(tmp_path / "library.db", [MOVIES])
    return taken


def test_an_item_marked_deleted_is_lost_with_its_files(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    before = census(tmp_path)
    library.mark_deleted(films[1])
    assert before.losses(tmp_path / "library.db") == Losses(
        (LostItem(films[1], "1", "Film 1", ("/m/Movies/1.mkv",)),)
    )


def test_rows_that_vanished_altogether_are_lost_too(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    before = census(tmp_path)
    part = library.part_of(films[2])
    library.con.execute("DELETE FROM media_parts WHERE id = ?", (part,))
    library.con.execute("DELETE FROM media_items WHERE metadata_item_id = ?", (films[2],))
    library.con.execute("DELETE FROM metadata_items WHERE id = ?", (films[2],))
    (lost,) = before.losses(tmp_path / "library.db").items
    assert (lost.title, lost.files, lost.merged) == ("Film 2", ("/m/Movies/2.mkv",), False)


def test_what_was_in_the_trash_before_is_not_lost_now(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    library.mark_deleted(films[0])
    before = census(tmp_path)
    assert before.counts() == {"1": 3}
    assert before.losses(tmp_path / "library.db") == Losses()


def test_a_file_that_an_item_lost_while_it_lives_on_is_told(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    media = library.con.execute(
        "SELECT id FROM media_items WHERE metadata_item_id = ?", (films[0],)
    ).fetchone()[0]
    library.con.execute(
        "INSERT INTO media_parts (media_item_id, file, hash) VALUES (?, '/m/Movies/0 cd2.mkv', 'h')", (media,)
    )
    before = census(tmp_path)
    library.con.execute("UPDATE media_parts SET deleted_at = 1 WHERE file = '/m/Movies/0 cd2.mkv'")
    assert before.losses(tmp_path / "library.db") == Losses(
        parts=(LostPart("1", "Film 0", "/m/Movies/0 cd2.mkv"),)
    )


def test_a_file_that_plex_took_in_anew_is_not_lost(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    before = census(tmp_path)
    part = library.part_of(films[0])
    library.con.execute("UPDATE media_parts SET id = id + 1000 WHERE id = ?", (part,))
    assert before.losses(tmp_path / "library.db") == Losses()


def test_two_films_that_plex_took_for_one_are_merged_and_no_file_is_lost(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    before = census(tmp_path)
    library.con.execute(
        "UPDATE media_items SET metadata_item_id = ? WHERE metadata_item_id = ?", (films[0], films[1])
    )
    library.con.execute("DELETE FROM metadata_items WHERE id = ?", (films[1],))
    losses = before.losses(tmp_path / "library.db")
    assert losses.items == (LostItem(films[1], "1", "Film 1", (), merged=True),)
    assert judge(losses, {})[0].verdict == "merged"


def test_a_run_that_begins_again_still_knows_who_was_there_before_it_first_began(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    census(tmp_path)
    library.mark_deleted(films[1])  # the first try took it away and was killed
    added = library.add_movie(1, "/m/Movies/new.mkv", "New")
    again = census(tmp_path)
    assert again.counts() == {"1": 5}
    library.mark_deleted(added)
    lost = {item.title for item in again.losses(tmp_path / "library.db").items}
    assert lost == {"Film 1", "New"}


def test_a_census_that_is_told_to_forget_begins_anew(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    taken = census(tmp_path)
    taken.forget()
    library.mark_deleted(films[1])
    assert census(tmp_path).losses(tmp_path / "library.db") == Losses()


def test_an_unreadable_library_is_never_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "library.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(Permanent):
        census(tmp_path)
    assert not (tmp_path / "census.db").exists()


def test_names_come_back_byte_for_byte(library: LibraryBuilder, tmp_path: Path) -> None:
    movies = library.add_section("Movies", "movie", "/m/Movies")
    names = ["é", unicodedata.normalize("NFD", "é"), "a%20b+c?#&", "日本 \U0001f3ac", "q'\"\\x"]
    made = [library.add_movie(movies, f"/m/Movies/{name}.mkv", name) for name in names]
    before = census(tmp_path)
    for item in made:
        library.mark_deleted(item)
    assert [item.files[0] for item in before.losses(tmp_path / "library.db").items] == [
        f"/m/Movies/{name}.mkv" for name in names
    ]


def test_living_files_are_those_below_a_folder_and_none_of_its_neighbours(
    library: LibraryBuilder, tmp_path: Path
) -> None:
    movies = library.add_section("Movies", "movie", "/m")
    for file in ("/m/TV/a.mkv", "/m/TVShows/b.mkv", "/m/TV_/c.mkv", "/m/TV/é.mkv"):
        library.add_movie(movies, file, file)
    found = living_files(tmp_path / "library.db", root="/m/TV")
    assert sorted(found) == ["/m/TV/a.mkv", "/m/TV/é.mkv"]
    assert len(living_files(tmp_path / "library.db", section="1", at_most=2)) == 2


def lost(*files: str, merged: bool = False) -> Losses:
    return Losses((LostItem(7, "1", "Film", files, merged),))


@pytest.mark.parametrize(
    ("losses", "answers", "verdict"),
    [
        (lost("/a"), {"/a": GONE}, "believed"),
        (lost("/a"), {"/a": THERE}, "false"),
        (lost("/a"), {"/a": UNKNOWN}, "unknown"),
        (lost("/a"), {}, "unknown"),
        (lost(), {}, "unknown"),
        (lost("/a", "/b"), {"/a": GONE, "/b": GONE}, "believed"),
        (lost("/a", "/b"), {"/a": GONE, "/b": THERE}, "false"),
        (lost("/a", "/b"), {"/a": GONE, "/b": UNKNOWN}, "unknown"),
        (lost(merged=True), {}, "merged"),
        (lost("/a", merged=True), {"/a": GONE}, "merged"),
        (lost("/a", merged=True), {"/a": THERE}, "false"),
    ],
)
def test_an_item_is_gone_only_when_every_file_of_it_is(
    losses: Losses, answers: dict[str, Answer], verdict: str
) -> None:
    assert [one.verdict for one in judge(losses, answers)] == [verdict]


def judged(number: int, verdict: str = "believed") -> list[Judged]:
    return [Judged(verdict, "1", f"Film {n}", n + 1, f"/m/{n}", "503") for n in range(number)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "gone", "trusted"),
    [
        (224, 221, False),  # the accident that this guards against
        (224, 4, True),  # 4 of 224 are below 2 %
        (224, 5, False),
        (20, 3, True),  # three may always go
        (20, 4, False),
        (2, 2, False),  # few, but the section is empty
        (0, 0, True),
    ],
)
def test_believed_deletions_beyond_a_few_need_a_person_s_word(before: int, gone: int, trusted: bool) -> None:
    told = conclude(MOVIES, before, before - gone, judged(gone), Policy())
    assert (told.words == ()) is trusted
    assert (told.doubts, told.newly_deleted, told.explained) == ((), gone, gone)
    quarantine = Quarantine.of(told.doubts, told.words)
    assert (quarantine.acceptable, bool(quarantine.reasons)) == (not trusted, not trusted)
    spoken = conclude(MOVIES, before, before - gone, judged(gone), Policy(accept=True))
    assert (spoken.words, spoken.accepted) == ((), not trusted)


@pytest.mark.parametrize("verdict", ["false", "unknown"])
def test_no_word_helps_against_one_deletion_that_the_store_does_not_confirm(verdict: str) -> None:
    told = conclude(MOVIES, 200, 199, judged(1, verdict), Policy(accept=True))
    assert "Film 0" in told.doubts[0] and not told.accepted
    quarantine = Quarantine.of(told.doubts, ["so many"])
    assert not quarantine.acceptable and not any("plex_accept" in reason for reason in quarantine.reasons)


def test_the_reasons_name_items_and_say_how_many_more_there_are() -> None:
    told = conclude(MOVIES, 100, 88, judged(12), Policy())
    assert "12 of 100" in told.words[0]
    assert "Film 0, Film 1, Film 2, Film 3, Film 4 and 7 more" in told.words[0]


def test_a_merged_item_counts_as_one_that_may_be_missing_and_against_the_limit() -> None:
    told = conclude(MOVIES, 224, 3, judged(221, "merged"), Policy())
    assert told.explained == 221 and "221 of 224" in told.words[0]


def test_plain_folders_are_trusted_with_a_few_and_not_with_many() -> None:
    policy = Policy(trusting=True)
    few = conclude(MOVIES, 100, 98, judged(2, "unknown"), policy)
    assert (few.doubts, few.words, few.explained) == ((), (), 0)
    assert conclude(MOVIES, 100, 50, judged(50, "unknown"), policy).words


PLACE = MediaPlace("/cloud/media", "media", "library/all")


@pytest.mark.parametrize(
    ("file", "keys"),
    [
        ("/cloud/media/Movies/a.mkv", ("library/all/Movies/a.mkv",)),
        ("/cloud/media/a%20b+c?#&.mkv", ("library/all/a%20b+c?#&.mkv",)),
        ("/cloud/mediathek/a.mkv", ()),
        ("/cloud/media", ()),
        ("/elsewhere/a.mkv", ()),
        ("/cloud/media/a␊b.mkv", ("library/all/a␊b.mkv", "library/all/a\nb.mkv")),
        ("/cloud/media/a‛␊b.mkv", ("library/all/a‛␊b.mkv", "library/all/a␊b.mkv")),
        ("/cloud/media/．/a.mkv", ("library/all/．/a.mkv", "library/all/./a.mkv")),
        ("/cloud/media/‛E9t.mkv", ("library/all/‛E9t.mkv", "library/all/\udce9t.mkv")),
    ],
)
def test_a_file_of_the_container_is_a_key_of_the_bucket(file: str, keys: tuple[str, ...]) -> None:
    assert PLACE.keys(file) == keys


def test_two_spellings_of_one_letter_are_two_keys() -> None:
    composed, decomposed = "/cloud/media/\u00e9", "/cloud/media/e\u0301"
    assert PLACE.keys(composed) != PLACE.keys(decomposed)


def test_each_root_has_its_bucket_and_a_single_one_need_not_be_named() -> None:
    (place,) = media_store.places(["/cloud/media"], [("", "media", "/all/")])
    assert (place.root, place.keys("/cloud/media/x")) == ("/cloud/media", ("all/x",))
    with pytest.raises(ValueError, match="which root"):
        media_store.places(["/a", "/b"], [("", "media", "")])
    with pytest.raises(ValueError, match="one bucket"):
        media_store.places(["/a"], [("/a", "media", ""), ("/a/", "other", "")])


class Store:
    """Says the same of every file, and counts how often it is asked for each."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def __call__(self, files: list[str]) -> dict[str, Answer]:
        self.asked += files
        return dict.fromkeys(files, self.answer)


def test_a_false_deletion_is_scanned_again_and_undone(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    before = census(tmp_path)
    library.mark_deleted(films[0])
    scanned = []

    def rescan(section: Section) -> None:
        scanned.append(section.name)
        for table in ("media_parts", "media_items", "metadata_items"):
            library.con.execute(f"UPDATE {table} SET deleted_at = NULL")

    store = Store(THERE)
    told = Reckoning(before, tmp_path / "library.db", store, rescan, [MOVIES]).settle()
    assert (told.judged, told.undone, scanned) == ((), {"1": 1}, ["Movies"])
    assert store.asked == ["/m/Movies/0.mkv"]


def test_what_no_scan_takes_back_stays_false_and_is_scanned_no_third_time(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    before = census(tmp_path)
    library.mark_deleted(films[0])
    scanned: list[Section] = []
    told = Reckoning(before, tmp_path / "library.db", Store(THERE), scanned.append, [MOVIES]).settle()
    assert [one.verdict for one in told.judged] == ["false"]
    assert len(scanned) == 2


def test_what_no_scan_takes_back_is_taken_back_by_hand(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    before = census(tmp_path)
    library.mark_deleted(films[0])
    told = Reckoning(
        before,
        tmp_path / "library.db",
        Store(THERE),
        lambda _section: None,
        [MOVIES],
        undelete=lambda files: undelete(tmp_path / "library.db", files),
    ).settle()
    assert (told.judged, told.undone) == ((), {"1": 1})


def test_what_cannot_be_taken_back_by_hand_either_is_a_reason(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    before = census(tmp_path)
    library.mark_deleted(films[0])

    def refuse(_files: object) -> None:
        raise Unsafe("The library is open", "by another")

    told = Reckoning(
        before, tmp_path / "library.db", Store(THERE), lambda _section: None, [MOVIES], undelete=refuse
    ).settle()
    assert told.judged[0].verdict == "false" and "The library is open" in told.notes[0]


def test_what_a_further_scan_takes_away_is_looked_up_too(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    before = census(tmp_path)
    library.mark_deleted(films[0])
    store = Store(THERE)
    told = Reckoning(
        before,
        tmp_path / "library.db",
        store,
        lambda _section: library.mark_deleted(films[1]),
        [MOVIES],
    ).settle()
    assert {one.title for one in told.judged} == {"Film 0", "Film 1"}
    assert store.asked == ["/m/Movies/0.mkv", "/m/Movies/1.mkv"]


def test_a_section_that_cannot_be_scanned_again_is_a_reason_and_no_crash(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    before = census(tmp_path)
    library.mark_deleted(films[0])

    def rescan(_section: Section) -> None:
        raise Unsafe("The mount does not read", "/cloud/media")

    told = Reckoning(before, tmp_path / "library.db", Store(THERE), rescan, [MOVIES]).settle()
    assert told.judged[0].verdict == "false"
    assert "Movies could not be scanned again: The mount does not read" in told.notes[0]


def test_a_section_that_nobody_chose_is_not_scanned(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    before = census(tmp_path)
    library.mark_deleted(films[0])
    scanned: list[Section] = []
    Reckoning(before, tmp_path / "library.db", Store(THERE), scanned.append, []).settle()
    assert not scanned


def test_without_a_store_nothing_is_known_of_a_loss(
    library: LibraryBuilder, films: list[int], tmp_path: Path
) -> None:
    before = census(tmp_path)
    library.mark_deleted(films[0])
    told = Reckoning(before, tmp_path / "library.db", None, lambda _section: None, [MOVIES]).settle()
    assert [(one.verdict, one.why) for one in told.judged] == [("unknown", NO_STORE)]


@pytest.mark.parametrize(
    ("kind", "name", "counts"),
    [
        ("movie", "Film (2001)/Film (2001).mkv", True),
        ("movie", "Film (2001)/Film (2001) - cd2.AVI", True),
        ("movie", "Film (2001)/Film (2001)-trailer.mkv", False),
        ("movie", "Film (2001)/Featurettes/Making.mkv", False),
        ("movie", "Film (2001)/sample.mkv", False),
        ("movie", "Film (2001)/Sample/film.mkv", False),
        ("movie", "The Sample (2001).mkv", True),
        ("movie", "Film (2001)/Film (2001).srt", False),
        ("movie", "Film (2001)/poster.jpg", False),
        ("movie", "Film (2001)/.Film.mkv.part", False),
        ("movie", ".trash/Film.mkv", False),
        ("movie", "README", False),
        ("show", "Show/Season 01/Show - S01E01.mkv", True),
        ("artist", "Artist/Other/01 - Song.flac", True),
        ("artist", "Artist/Album/cover.jpg", False),
        ("photo", "2001/a.JPG", True),
    ],
)
def test_media_are_told_from_what_lies_beside_them(kind: str, name: str, counts: bool) -> None:
    assert is_media(kind, name) is counts


@pytest.mark.parametrize(
    ("objects", "missing", "passes"),
    [(0, 0, True), (5, 3, True), (5, 4, False), (100, 10, True), (100, 11, False), (224, 221, False)],
)
def test_a_new_library_may_lack_a_few_files_of_the_store(objects: int, missing: int, passes: bool) -> None:
    reason = LeftOut(objects, missing, ("/m/a.mkv",)).reason("Movies")
    assert (reason == "") is passes
    assert passes or f"{missing} of the {objects}" in reason

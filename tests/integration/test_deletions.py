"""Lost files are looked up in a real S3 store that fails in every way that must not be taken for a 404."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from medialift.cloud import objects
from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import SystemClock
from medialift.plex.controls import Controls
from medialift.plex.lookup import Answer, Lookup
from medialift.plex.media_store import MediaPlace, MediaStore
from medialift.plex.server import Section
from medialift.plex.witness import Witness
from sandbox.plex.builder import LibraryBuilder
from tests.store_world import StoreWorld, store_world

BUCKET = "media"
PLACE = MediaPlace("/cloud/media", BUCKET, "library")
CONTROL = "/cloud/media/Movies/control.mkv"
HERE = "/cloud/media/Movies/here.mkv"
LOST = "/cloud/media/Movies/lost.mkv"


@pytest.fixture(scope="module")
def running() -> Iterator[StoreWorld]:
    with store_world(BUCKET) as world:
        yield world


@pytest.fixture
def world(running: StoreWorld) -> Iterator[StoreWorld]:
    running.empty()
    put(running, CONTROL, HERE)
    running.faults.reset_counters()
    yield running
    running.empty()


def put(world: StoreWorld, *files: str) -> None:
    def one(file: str) -> None:
        objects.put_bytes(world.store, BUCKET, PLACE.keys(file)[-1], b"film")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, files))


def looking(world: StoreWorld, *controls: str, place: MediaPlace = PLACE, **more: object) -> Lookup:
    # One try each, of a second: the test waits for the time-out, a run would be more patient.
    store = replace(world.store, timeout=1.0, patience=0.2)
    known: Iterable[str] = controls or (CONTROL,)
    options = {"pauses": (), **more}
    return Lookup(MediaStore(store, (place,)), lambda _place: known, **options)  # type: ignore[arg-type]


def test_a_missing_object_is_gone_and_one_that_is_there_is_there(world: StoreWorld) -> None:
    assert looking(world).ask([LOST, HERE]) == {LOST: Answer("gone"), HERE: Answer("there")}


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("status403", "refuses access"),
        ("status503", "busy or failing"),
        ("reset", "cannot be reached or broke off"),
        ("hang", "cannot be reached or broke off"),
    ],
)
def test_no_answer_but_404_means_gone(world: StoreWorld, fault: str, why: str) -> None:
    with world.faults.active(fault, "HEAD .*lost"):
        answer = looking(world).ask([LOST])[LOST]
    assert answer.state == "unknown" and why in answer.why


@pytest.mark.parametrize(
    ("fault", "state"),
    [("status403", "refused"), ("status503", "failing"), ("reset", "silent"), ("hang", "silent")],
)
def test_a_look_tells_the_kinds_of_failure_apart(world: StoreWorld, fault: str, state: str) -> None:
    store = replace(world.store, timeout=1.0, patience=0.2)
    with world.faults.active(fault, "HEAD"):
        assert objects.look(store, BUCKET, "library/Movies/here.mkv").state == state
    assert objects.look(store, BUCKET, "library/Movies/here.mkv").state == "there"
    assert objects.look(store, BUCKET, "library/Movies/lost.mkv").state == "gone"
    assert objects.look(store, BUCKET, "library/\udcff.mkv").state == "refused"


def test_a_404_of_what_the_store_lists_is_not_believed(world: StoreWorld) -> None:
    # Some stores, and proxies before them, answer so for what they refuse.
    with world.faults.active("status404", "HEAD .*here"):
        answer = looking(world).ask([HERE])[HERE]
    assert answer.state == "unknown" and "the store lists it" in answer.why


@pytest.mark.parametrize("fault", ["status403", "status503", "reset", "hang"])
def test_a_404_is_not_believed_when_the_listing_does_not_answer(world: StoreWorld, fault: str) -> None:
    with world.faults.active(fault, "GET"):
        assert looking(world).ask([LOST])[LOST].state == "unknown"


@pytest.mark.parametrize("fault", ["status403", "status503", "reset", "hang"])
def test_without_a_control_that_answers_no_404_is_believed(world: StoreWorld, fault: str) -> None:
    with world.faults.active(fault, "HEAD .*control"):
        answer = looking(world).ask([LOST])[LOST]
    assert answer.state == "unknown" and "control.mkv" in answer.why


def test_a_control_that_fails_after_the_batch_takes_the_batch_back(world: StoreWorld) -> None:
    world.faults.add("status503", "HEAD .*control")
    world.faults.add("pass", "HEAD .*control", times=1)
    answers = looking(world).ask([LOST, HERE])
    assert answers[LOST].state == "unknown" and answers[HERE].state == "there"


@pytest.mark.parametrize(
    "place",
    [
        MediaPlace("/cloud/media", "no-such-bucket", "library"),
        MediaPlace("/cloud/media", BUCKET, "elsewhere"),
        MediaPlace("/cloud/media", BUCKET),
    ],
)
def test_a_wrong_bucket_or_prefix_says_404_of_everything_and_is_believed_in_nothing(
    world: StoreWorld, place: MediaPlace
) -> None:
    answers = looking(world, CONTROL, HERE, place=place).ask([LOST, HERE, CONTROL])
    assert {answer.state for answer in answers.values()} == {"unknown"}


def test_a_store_with_nothing_known_in_it_is_believed_in_nothing(world: StoreWorld) -> None:
    lookup = replace(looking(world), controls=lambda _place: ())
    assert "no object is known" in lookup.ask([LOST])[LOST].why


def test_a_control_that_was_itself_removed_is_replaced_by_another(world: StoreWorld) -> None:
    lookup = looking(world, "/cloud/media/removed 1", "/cloud/media/removed 2", CONTROL)
    assert lookup.ask([LOST])[LOST] == Answer("gone")


def test_what_lies_on_no_known_root_cannot_be_looked_up(world: StoreWorld) -> None:
    answer = looking(world).ask(["/srv/local/a.mkv"])["/srv/local/a.mkv"]
    assert answer.state == "unknown" and "no root" in answer.why


def test_a_store_that_recovers_is_asked_again_for_what_it_could_not_tell(world: StoreWorld) -> None:
    world.faults.add("status503", "HEAD", times=3)
    assert looking(world, pauses=(0.1, 0.1)).ask([LOST, HERE]) == {
        LOST: Answer("gone"),
        HERE: Answer("there"),
    }


NAMES = [
    "sp ace+%20%C3%A9&?#=;,!$'()*.mkv",
    "\u00e9.mkv",
    "日本語 \U0001f3ac.mkv",
    'back\\slash:*"<>|.mkv',
    "tail ",
    "CR\u240d.mkv",
    "．/dots.mkv",
    "long " + "ü" * 100 + ".mkv",
]


def test_names_with_any_character_find_their_object(world: StoreWorld) -> None:
    files = [f"/cloud/media/Movies/{name}" for name in NAMES]
    put(world, *files)
    assert {answer.state for answer in looking(world).ask(files).values()} == {"there"}


def test_a_name_spelled_otherwise_is_another_object(world: StoreWorld) -> None:
    composed = "/cloud/media/Movies/\u00e9t\u00e9.mkv"
    decomposed = unicodedata.normalize("NFD", composed)
    put(world, composed)
    answers = looking(world).ask([composed, decomposed])
    assert (answers[composed].state, answers[decomposed].state) == ("there", "gone")


def test_many_are_looked_up_in_batches_each_between_two_controls(world: StoreWorld) -> None:
    there = [f"/cloud/media/Music/{number}.flac" for number in range(60)]
    gone = [f"/cloud/media/Music/gone {number}.flac" for number in range(540)]
    put(world, *there)
    world.faults.reset_counters()
    answers = looking(world, batch=100).ask([*gone, *there])
    assert [file for file, answer in answers.items() if answer.state == "there"] == there
    assert {answers[file].state for file in gone} == {"gone"}
    # And the listing is asked for each that has no head.
    assert world.faults.counters()["by_method"] == {"HEAD": 600 + 2 * 6, "GET": 540}


def test_a_dead_store_is_not_asked_for_thousands(world: StoreWorld) -> None:
    files = [f"/cloud/media/Music/{number}.flac" for number in range(3000)]
    with world.faults.active("status503", "HEAD"):
        answers = looking(world).ask(files)
    assert {answer.state for answer in answers.values()} == {"unknown"} and len(answers) == 3000
    assert world.faults.counters()["requests"] < 20


@pytest.fixture
def library(tmp_path: Path) -> Iterator[LibraryBuilder]:
    with LibraryBuilder(tmp_path / "library.db") as made:
        made.add_section("Movies", "movie", "/cloud/media/Movies")
        yield made


MOVIES = Section("1", "Movies", "movie", "", "", "", ("/cloud/media/Movies",), False, 0)


def controls(world: StoreWorld, folder: Path, *, seen: bool = True, read: tuple[str, ...] = ()) -> Controls:
    store = replace(world.store, timeout=1.0, patience=0.2)
    return Controls(
        MediaStore(store, (PLACE,)),
        folder / "library.db",
        [MOVIES],
        seen=lambda _file: seen,
        read=lambda: read,
    )


def test_controls_are_living_files_and_those_that_were_read_come_first(
    world: StoreWorld, library: LibraryBuilder, tmp_path: Path
) -> None:
    library.mark_deleted(library.add_movie(1, LOST, "Lost"))
    library.add_movie(1, "/srv/elsewhere.mkv", "Elsewhere")
    library.add_movie(1, HERE, "Here")
    library.add_movie(1, CONTROL, "Control")
    assert list(controls(world, tmp_path, read=(CONTROL,)).of(PLACE)) == [CONTROL, HERE]
    assert list(controls(world, tmp_path, read=(HERE,)).of(PLACE)) == [HERE, CONTROL]


def test_where_nothing_lives_any_more_a_listed_object_serves_if_the_mount_shows_it(
    world: StoreWorld, library: LibraryBuilder, tmp_path: Path
) -> None:
    assert list(controls(world, tmp_path).of(PLACE)) == [CONTROL, HERE]
    assert list(controls(world, tmp_path, seen=False).of(PLACE)) == []
    with world.faults.active("status403", "GET"):
        assert list(controls(world, tmp_path).of(PLACE)) == []


def test_each_folder_of_a_section_is_proved_by_files_of_its_own(
    world: StoreWorld, library: LibraryBuilder, tmp_path: Path
) -> None:
    shows = Section("2", "Shows", "show", "", "", "", ("/cloud/media/Shows",), False, 0)
    library.add_section("Shows", "show", "/cloud/media/Shows")
    library.add_movie(1, HERE, "Here")
    lost = "/cloud/media/Shows/lost.mkv"
    stopped = Event()

    def ask(seen: bool) -> Answer:
        store = replace(world.store, timeout=1.0, patience=0.2)
        media = MediaStore(store, (PLACE,))
        witness = Witness(media, tmp_path / "library.db", lambda _file: seen, SystemClock(), stopped)
        return witness.afterwards([MOVIES, shows], [], read=tuple, pauses=()).ask([lost])[lost]

    # Nothing of the folder lives, and the store lists nothing of it: that of the whole place is all there is.
    assert ask(True) == Answer("gone")
    # What is listed is not what the mount shows: this is not its store.
    put(world, "/cloud/media/Shows/other.mkv")
    assert ask(False).state == "unknown"
    assert ask(True) == Answer("gone")
    # A file of it lives, and the store does not have it, though it has the films.
    library.add_movie(2, "/cloud/media/Shows/elsewhere.mkv", "Elsewhere")
    assert ask(True).state == "unknown"


def test_a_stop_ends_the_lookups(world: StoreWorld) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        looking(world, stop=stop).ask([LOST])

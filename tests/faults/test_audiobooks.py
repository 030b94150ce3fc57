"""What breaks while books are made: the sources stay whole, the state is clear, and another run is right."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import text

from medialift.audiobooks.convert_stage import STEPS
from medialift.foundation.waiting import wait_until
from medialift.queueing import control
from sandbox.audiobooks import recordings
from tests.faults import catalogue
from tests.hands import Hands
from tests.intake_world import SECONDS, IntakeWorld
from tests.postgres_world import Postgres

_KILLS = 4
CONVERSION = [("convert", step) for step in STEPS]
LATER = [
    ("convert", "made"),
    ("convert", "told"),
    ("complete", "begun"),
    ("complete", "made"),
    ("tag", "tagging"),
    ("tag", "made"),
    ("tag", "told"),
    ("deliver", "delivering"),
    ("deliver", "made"),
    ("deliver", "told"),
]
# The disk stays full until the process ends: what comes right after a step fails as well.
FULL_LATER = [("convert", "made"), ("tag", "tagging"), ("deliver", "delivering")]


def whole(intake: IntakeWorld, dropped: dict[str, bytes]) -> None:
    """The sources are somewhere, byte for byte."""
    assert dropped in (intake.tree("inbox"), intake.tree("archive")), intake.log()


def all_well(intake: IntakeWorld, dropped: dict[str, bytes], *names: str) -> None:
    """Each book is made once, tagged, delivered, its sources are put away, and nothing else is there."""
    names = names or ("Tales",)
    stages = ("convert", "tag", "deliver")
    assert intake.states() == {f"{stage}/{name}": "done" for stage in stages for name in names}, intake.log()
    for found in intake.finished(*names).values():
        assert (found.state, found.deliveries["shelf"].state) == ("tagged", "delivered")
    assert intake.in_library() == [f"Ann Author/{name}/{name}.m4b" for name in sorted(names)]
    assert (intake.tree("inbox"), intake.tree("archive"), intake.tree("backup")) == ({}, dropped, dropped)
    assert intake.left_over() == [] and intake.rows("select * from audiobook_todo") == []
    converted = intake.rows(
        "select count(*) as runs from audiobook_run where stage = 'convert' and outcome = 'done'"
    )
    assert converted[0].runs == len(names)


@pytest.mark.fault(catalogue.AUDIOBOOKS_KILLED)
@pytest.mark.parametrize("steps", [CONVERSION[:6], CONVERSION[6:], LATER], ids=["first", "second", "later"])
def test_killed_at_one_step_after_the_other_a_book_is_made_once_and_its_sources_stay_whole(
    intake: IntakeWorld, steps: list[tuple[str, str]], record_property
) -> None:
    record_property("tries", len(steps))
    intake.drop("Tales", codec="m4a", parts=1)
    dropped = intake.tree("inbox")
    for stage, step in steps:
        intake.killed(stage, step)
        whole(intake, dropped)
        books = [path.name for path in intake.path("converted").iterdir() if path.name[0] != "."]
        assert books == (["Tales"] if (stage, step) in [*LATER, CONVERSION[-1]] else []), (stage, step)
    intake.once()
    all_well(intake, dropped)


@pytest.mark.fault(catalogue.AUDIOBOOKS_KILLED)
def test_killed_at_any_moment_again_and_again_each_book_is_made_once(
    intake: IntakeWorld, fault_moment: int, record_property
) -> None:
    record_property("tries", _KILLS)
    random = Random(fault_moment)
    names = ("Tales", "Other", "Third")
    for name, codec in zip(names, ("m4a", "mp3", "m4b"), strict=True):
        intake.drop(name, codec=codec, parts=1)
    dropped = intake.tree("inbox")
    for _ in range(_KILLS):
        process = intake.start()
        wait_until(lambda: False, at_most=random.uniform(0.2, 2.5))
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        intake.wait(process)
        intake.give_back()
    intake.once()
    all_well(intake, dropped, *names)


@pytest.mark.fault(catalogue.AUDIOBOOKS_KILLED)
def test_killed_while_a_failed_book_is_moved_aside_it_is_there_once_with_its_reason(
    intake: IntakeWorld, record_property
) -> None:
    record_property("tries", 2)
    folder = intake.path("inbox", "Tales")
    folder.mkdir()
    (folder / "01.mp3").write_bytes(b"no sound at all")
    for step in ("begun", "made"):
        intake.killed("put_aside", step)
    done = intake.once()
    (aside,) = intake.path("failed").iterdir()
    assert (aside / "Tales" / "01.mp3").read_bytes() == b"no sound at all"
    assert (aside / "FAILED_INFO.txt").exists() and intake.tree("inbox") == {}
    assert intake.states() == {"convert/Tales": "failed"} and done["finished"]


@contextmanager
def mounted(place: Path, *how: str) -> Iterator[Path]:
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", *how, str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path, ledger_url: str, intake_hands: Hands) -> Iterator[IntakeWorld]:
    """An intake of which all folders are on one small disk."""
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=56m", "tmpfs") as disk:
        world = IntakeWorld(disk, ledger_url, intake_hands)
        yield world
        world.database.close()


@pytest.mark.fault(catalogue.AUDIOBOOKS_DISK)
@pytest.mark.parametrize("steps", [CONVERSION, FULL_LATER], ids=["conversion", "later"])
def test_a_disk_that_is_full_at_a_step_costs_an_attempt_and_nothing_else(
    small_disk: IntakeWorld, steps: list[tuple[str, str]], record_property, tmp_path: Path
) -> None:
    intake = small_disk
    record_property("tries", len(steps))
    patient = {"max_retries": 50, "tagging": {**intake.told()["audiobooks"]["tagging"], "max_retries": 50}}
    intake.drop("Tales", codec="m4a", parts=1)
    dropped = intake.tree("inbox")
    filler = intake.root / "filler"
    for stage, step in steps:
        ended = intake.process(faults={"fill": [stage, step], "filler": str(filler)}, **patient)
        assert ended == 0, intake.log()
        assert filler.exists(), (stage, step, intake.states())
        filler.unlink()
        whole(intake, dropped)
        assert set(intake.states().values()) <= {"ready", "done"}, (stage, step, intake.states())
        intake.hurry()
    intake.once(**patient)
    all_well(intake, dropped)


@pytest.mark.fault(catalogue.AUDIOBOOKS_INBOX)
def test_an_inbox_whose_mount_vanishes_forgets_nothing_and_goes_on_when_it_is_back(
    intake: IntakeWorld, tmp_path: Path
) -> None:
    share = tmp_path / "share"
    with mounted(share, "-t", "tmpfs", "-o", "size=16m", "tmpfs"), intake.running():
        with mounted(intake.path("inbox"), "--bind", str(share)):
            with intake.database.engine.begin() as connection:
                control.pause(connection, "audiobooks", "audiobooks", why="a test")
            intake.drop("Tales", codec="m4a", parts=1)
            dropped = intake.tree("inbox")
            intake.until(lambda: intake.states() == {"convert/Tales": "ready"})
        assert intake.tree("inbox") == {}
        with intake.database.engine.begin() as connection:
            control.resume(connection, "audiobooks", "audiobooks")
        intake.until(lambda: "is not mounted" in intake.log())
        assert intake.states() == {"convert/Tales": "ready"}
        assert intake.rows("select * from audiobook_run") == []
        with mounted(intake.path("inbox"), "--bind", str(share)):
            intake.until(lambda: intake.states().get("deliver/Tales") == "done")
            intake.until(lambda: not intake.rows("select * from audiobook_todo"))
            all_well(intake, dropped)


@pytest.mark.fault(catalogue.AUDIOBOOKS_DENIED)
@pytest.mark.parametrize(
    ("place", "mode"), [("inbox/Tales/01 Chapter 1.m4a", 0o000), ("converted", 0o555), ("backup", 0o555)]
)
def test_what_may_not_be_read_or_written_is_told_and_done_as_soon_as_it_may(
    intake: IntakeWorld, place: str, mode: int
) -> None:
    intake.drop("Tales", codec="m4a", parts=1)
    dropped = intake.tree("inbox")
    before = intake.path(place).stat().st_mode & 0o777
    intake.path(place).chmod(mode)
    faults = {"deny": ["convert", "locking"]}
    assert intake.process(faults=faults, retry_base=60) == 0, intake.log()
    row = intake.item("convert/Tales")
    assert (row.state, row.attempts) == ("ready", 1)
    assert "ermission" in row.error_text or "may not be read" in row.error_text
    assert "Tales" in row.error_text or place in row.error_text
    assert intake.finished() == {} and intake.left_over() == [] and intake.tree("inbox") == dropped
    intake.path(place).chmod(before)
    intake.hurry()
    assert intake.process(faults=faults) == 0
    all_well(intake, dropped)


@pytest.mark.fault(catalogue.AUDIOBOOKS_DATABASE)
@pytest.mark.parametrize("away", [1.0, 6.0], ids=["shorter than a lease", "longer than a lease"])
def test_a_book_that_is_made_while_the_database_is_away_is_not_made_twice(
    postgres_of_test: Postgres, intake: IntakeWorld, away: float, tmp_path: Path
) -> None:
    recordings.speak("A part.", intake.path("inbox", "Tales", "01.m4a"), codec="m4a", seconds=SECONDS)
    intake.describe(intake.path("inbox", "Tales"))
    dropped = intake.tree("inbox")
    go, paused = tmp_path / "go", tmp_path / "paused"
    faults = {"pause": ["convert", "publishing"], "paused": str(paused), "go": str(go)}
    process = intake.start(faults=faults)
    intake.until(paused.exists)
    postgres_of_test.stop()
    go.touch()
    wait_until(lambda: False, at_most=away)
    postgres_of_test.start()
    intake.wait(process)
    intake.give_back()
    with intake.database.engine.begin() as connection:
        connection.execute(text("select 1"))
    intake.once()
    all_well(intake, dropped)

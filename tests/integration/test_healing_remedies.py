"""Restarts, fixes of the configuration and steps of scaling, done to real workers of the queue."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from medialift.errors import Permanent, Transient
from medialift.foundation.waiting import wait_until
from medialift.healing import sizing
from medialift.healing.observed import Observed, Trouble
from medialift.healing.observing import observe
from medialift.healing.pipelines import BOOKS
from medialift.healing.pressure import Pressure
from medialift.healing.remedies.config_fix import undo, variables
from medialift.healing.remedies.leases import take_back
from medialift.healing.remedies.restart import Done, restart
from medialift.healing.scaling import Move, Step, decide
from medialift.healing.scaling import Path as Way
from medialift.queueing import control, workers
from medialift.queueing.database import Database
from medialift.settings import ScalingSettings
from tests.healing_fleet import ProcessFleet
from tests.postgres_world import Postgres
from tests.queue_scene import Scene, scene

HOST = socket.gethostname()
BATCH = "MEDIALIFT_BOOKS__BATCH"


class Interrupted(ProcessFleet):
    """A fleet in whose stops, before or after them, something else happens."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)
    afterwards: Callable[[], object] = staticmethod(lambda: None)

    def stop(self, name: str, *, at_most: float) -> bool:
        self.meanwhile()
        by_itself = super().stop(name, at_most=at_most)
        self.afterwards()
        return by_itself


class Crew:
    """A scene of the queue, whose workers a fleet runs; each takes `seconds` for an item."""

    def __init__(self, made: Scene, folder: Path) -> None:
        self.scene, self.database = made, made.database
        self.seconds = {"": 0.02}
        self.fleet = Interrupted(self._command, folder)

    def _command(self, name: str, number: int, release: Path | None) -> list[str]:
        seconds = self.seconds.get(name, self.seconds[""])
        pace = (f"--seconds-per-item={seconds}", "--lease=60", "--stalled=30")
        return [sys.executable, "-m", "tests.queue_worker", self.scene.url, name, *pace]

    def seen(self, name: str) -> Observed:
        return next(one for one in self.all_seen() if one.name == name)

    def all_seen(self) -> list[Observed]:
        with self.database.engine.connect() as connection:
            return observe(connection, HOST, BOOKS)

    def holding(self, name: str) -> int:
        return self.scene.holding(name)

    def wait(self, until: Callable[[], bool], at_most: float = 60.0) -> None:
        self.scene.wait(until, at_most=at_most)

    def hang(self, *names: str) -> None:
        """Run these workers, and have each hang in the middle of its first items; later lives are well."""
        self.seconds |= dict.fromkeys(names, 600.0)
        for name in names:
            self.fleet.start(self.fleet.enable(int(name.split("@")[1])))
        self.wait(lambda: all(self.holding(name) for name in names))
        self.seconds = {"": 0.02}
        self.fleet.done.clear()

    def restart(self, seen: Observed, drain: float = 0.5, trouble: Trouble | None = None) -> Done:
        return restart(seen, self.fleet, self.database, drain=drain, trouble=trouble)


@pytest.fixture
def crew(ledger_url: str, tmp_path: Path) -> Iterator[Crew]:
    with scene(ledger_url, tmp_path, 60) as made:
        found = Crew(made, tmp_path)
        with found.fleet:
            yield found


# -- RESTART --------------------------------------------------------------------------------------------


def test_a_worker_that_hangs_is_killed_its_items_are_taken_back_and_it_does_them_in_its_next_life(
    crew: Crew,
) -> None:
    crew.hang("here@1")
    before = crew.seen("here@1")
    # Counted when it is dead: as it drains it gives back by itself what it has not begun.
    left: list[int] = []
    crew.fleet.afterwards = lambda: left.append(crew.holding("here@1"))
    done = crew.restart(before)
    assert left[0] > 0
    assert (done.done, done.drained, done.taken_back, done.why) == (True, False, left[0], "")
    assert crew.fleet.done == [("stop", "here@1"), ("start", "here@1")]
    crew.scene.wait_for(60)
    assert crew.scene.all_is_done_once()
    assert crew.seen("here@1").life != before.life


def test_a_worker_that_can_still_drain_is_not_killed(crew: Crew) -> None:
    crew.fleet.run(1)
    crew.wait(lambda: crew.scene.finished() > 0)
    crew.fleet.signal("here@1", signal.SIGSTOP)
    done = crew.restart(crew.seen("here@1"), drain=60)
    assert (done.done, done.drained) == (True, True)
    crew.scene.wait_for(60)
    assert crew.scene.all_is_done_once()


def test_a_worker_that_got_on_meanwhile_is_left_alone(crew: Crew) -> None:
    crew.seconds[""] = 0.2
    crew.fleet.run(1)
    crew.wait(lambda: bool(crew.holding("here@1")))
    seen = crew.seen("here@1")
    crew.wait(lambda: crew.seen("here@1").items > seen.items)
    assert crew.restart(seen) == Done(done=False, why="it has made progress meanwhile")
    assert crew.fleet.done == []


def test_another_life_is_another_worker_except_in_a_crash_loop(crew: Crew) -> None:
    crew.hang("here@1")
    seen = crew.seen("here@1")
    crew.seconds["here@1"] = 600.0
    crew.fleet.signal("here@1", signal.SIGKILL)
    crew.wait(lambda: crew.seen("here@1").life != seen.life)
    assert crew.restart(seen).why == "it was started anew meanwhile"
    assert crew.fleet.done == []
    assert crew.restart(seen, trouble=Trouble.CRASH_LOOP).done


def test_a_worker_that_somebody_drains_is_left_alone(crew: Crew) -> None:
    crew.hang("here@1")
    seen = crew.seen("here@1")
    with crew.database.engine.begin() as connection:
        workers.drain(connection, name="here@1")
    assert crew.restart(seen).why == "somebody has asked it to end"
    assert crew.fleet.done == []


def test_a_worker_whose_queue_was_paused_meanwhile_is_left_alone(crew: Crew) -> None:
    crew.seconds[""] = 600.0
    crew.fleet.run(1)
    crew.wait(lambda: bool(crew.holding("here@1")))
    seen = crew.seen("here@1")
    crew.scene.books.change(control.pause, why="by hand")
    crew.wait(lambda: crew.seen("here@1").state == "paused")
    assert crew.restart(seen).why == "it rests now"
    assert crew.fleet.done == []


def test_a_worker_that_is_not_in_the_ledger_any_more_is_left_alone(crew: Crew) -> None:
    crew.hang("here@1")
    assert crew.restart(replace(crew.seen("here@1"), name="here@9")).why == "it is not in the ledger any more"


def test_a_database_that_goes_in_the_middle_leaves_no_worker_stopped(
    postgres_of_test: Postgres, crew: Crew
) -> None:
    crew.hang("here@1")
    seen = crew.seen("here@1")
    crew.fleet.meanwhile = postgres_of_test.kill
    done = crew.restart(seen)
    assert done.done and done.taken_back == 0 and "does not answer" in done.why
    assert crew.fleet.members()[0].active
    with pytest.raises(Transient, match="does not answer"):
        crew.restart(seen)
    assert crew.fleet.done == [("stop", "here@1"), ("start", "here@1")]
    postgres_of_test.start()
    crew.scene.wait_for(60)


def test_nothing_is_taken_from_a_living_process_or_from_another_host(crew: Crew) -> None:
    crew.hang("here@1")
    with pytest.raises(Transient, match="lives on"):
        take_back(crew.database, "here@1")
    assert take_back(crew.database, "nobody@7") == 0
    crew.scene.books.execute("update worker set host = 'elsewhere', life = '1:1'")
    assert take_back(crew.database, "here@1") == 0
    assert crew.holding("here@1")


# -- CONFIG_FIX -----------------------------------------------------------------------------------------


def environment(crew: Crew, name: str) -> dict[str, str]:
    told = Path(f"/proc/{crew.fleet.pid(name)}/environ").read_bytes().decode().split("\0")
    return dict(one.split("=", 1) for one in told if "=" in one)


def test_a_fix_of_the_configuration_is_for_this_worker_alone_and_can_be_taken_back(crew: Crew) -> None:
    crew.hang("here@1", "here@2")
    wanted = variables({"batch": 5, "parallel_uploads": 2}, BOOKS)
    kept = {"MEDIALIFT_BOOKS__TIMEOUT": "60"}
    done = restart(crew.seen("here@1"), crew.fleet, crew.database, drain=0.3, settings={**kept, **wanted})
    assert done.done
    assert {**kept, **wanted}.items() <= environment(crew, "here@1").items()
    assert BATCH not in environment(crew, "here@2")
    assert undo(crew.fleet, "here@1", {"batch": 5}, BOOKS)
    assert crew.fleet.members()[0].settings == {**kept, "MEDIALIFT_BOOKS__PARALLEL_UPLOADS": "2"}
    assert not undo(crew.fleet, "here@2", {"batch": 5}, BOOKS)


def test_a_worker_that_got_on_is_not_given_other_settings_either(crew: Crew) -> None:
    crew.hang("here@1")
    seen = crew.seen("here@1")
    crew.scene.books.execute("insert into progress (worker, moved) values ('here@1', 1)")
    done = restart(seen, crew.fleet, crew.database, drain=0.3, settings={BATCH: "5"})
    assert done == Done(done=False, why="it has made progress meanwhile")
    assert crew.fleet.done == []


@pytest.mark.parametrize(
    "settings, why",
    [
        ({}, "names no setting"),
        ({"password": 1}, "may not be changed"),
        ({"batch": 5, "server": 1}, "may not be changed"),
        ({"MEDIALIFT_BOOKS__BATCH": 5}, "may not be changed"),
        ({"batch": 0}, "out of bounds"),
        ({"batch": 201}, "out of bounds"),
        ({"parallel_uploads": 17}, "out of bounds"),
        ({"timeout": 0.5}, "out of bounds"),
        ({"batch": 2.5}, "whole number"),
        ({"batch": True}, "no number"),
        ({"batch": float("nan")}, "no number"),
        ({"timeout": float("inf")}, "no number"),
        ({"batch": "5\nExecStartPre=/bin/rm"}, "no number"),
    ],
)
def test_settings_off_the_list_or_out_of_bounds_are_refused(settings: dict[str, float], why: str) -> None:
    with pytest.raises(Permanent, match=why):
        variables(settings, BOOKS)


def test_settings_within_their_bounds_are_written_as_the_worker_reads_them() -> None:
    assert variables({"batch": 5.0, "timeout": 12.5, "parallel_uploads": 1}, BOOKS) == {
        BATCH: "5",
        "MEDIALIFT_BOOKS__TIMEOUT": "12.5",
        "MEDIALIFT_BOOKS__PARALLEL_UPLOADS": "1",
    }


# -- scaling ----------------------------------------------------------------------------------------------

LIMITS = ScalingSettings(targets={"books": 3})
FULL, CALM = Pressure(disks={"sda": 0.99}), Pressure(disks={"sda": 0.1})


def step(crew: Crew, pressure: Pressure, stuck: int = 0) -> Step:
    """One decision from what is there now."""
    with crew.database.engine.connect() as connection:
        size = sizing.read(connection, HOST, "books")
    state = sizing.state_of(size, "books", crew.fleet.members(), (), LIMITS)
    return decide(state, pressure, stuck, (), LIMITS)


def apply(crew: Crew, made: Step, drain: float = 60.0) -> sizing.Sized:
    return sizing.apply(made, crew.fleet, crew.database, HOST, "books", drain=drain)


def test_a_step_down_drains_the_highest_in_the_middle_of_its_work_and_nothing_is_lost_or_twice(
    crew: Crew,
) -> None:
    crew.seconds[""] = 0.2
    crew.fleet.start(crew.fleet.enable(3))
    crew.wait(lambda: bool(crew.holding("here@3")))
    crew.fleet.run(2)
    down = step(crew, FULL, stuck=1)
    assert (down.move, down.numbers) == (Move.DOWN, (3,))
    assert apply(crew, down).drained == {"here@3": True}
    assert [one.number for one in crew.fleet.members()] == [1, 2]
    assert step(crew, FULL, stuck=1).path is Way.DOWN_COOLDOWN
    assert step(crew, CALM).path is Way.UP_COOLDOWN
    crew.scene.wait_for(60)
    assert crew.scene.all_is_done_once()


def test_one_that_does_not_drain_in_time_is_killed_and_others_do_its_items(crew: Crew) -> None:
    crew.hang("here@3")
    crew.fleet.run(2)
    assert apply(crew, step(crew, FULL, stuck=1), drain=0.3).drained == {"here@3": False}
    assert crew.holding("here@3") == 0
    crew.scene.wait_for(60)
    assert crew.scene.all_is_done_once()


def test_a_step_up_starts_the_next_number(crew: Crew) -> None:
    crew.fleet.run(1)
    up = step(crew, CALM)
    assert apply(crew, up).started == ("here@2",)
    crew.wait(lambda: "here@2" in [one.name for one in crew.all_seen()])
    assert [(one.number, one.enabled) for one in crew.fleet.members()] == [(1, True), (2, True)]
    assert step(crew, CALM).path is Way.UP_COOLDOWN


def test_a_drain_that_was_decided_and_not_done_is_done_in_the_next_round(crew: Crew) -> None:
    crew.fleet.run(3)
    down = step(crew, FULL, stuck=1)
    with crew.database.engine.begin() as connection:  # the healing ends right after this
        sizing.write(connection, HOST, "books", down.desired, why=down.why, move=down.move)
    again = step(crew, Pressure(disks={"sda": 0.7}))
    assert (again.path, again.numbers) == (Way.EXCESS, (3,))
    apply(crew, again)
    assert wait_until(lambda: len(crew.fleet.members()) == 2, at_most=10)


def test_several_that_are_too_many_are_drained_at_once(crew: Crew) -> None:
    crew.hang("here@1", "here@2", "here@3")
    with crew.database.engine.begin() as connection:
        sizing.write(connection, HOST, "books", 1, why="by hand")
    began = time.monotonic()
    done = apply(crew, step(crew, Pressure(disks={"sda": 0.7})), drain=4.0)
    assert done.drained == {"here@3": False, "here@2": False} and not done.errors
    assert time.monotonic() - began < 7.9
    assert (crew.holding("here@2"), crew.holding("here@3")) == (0, 0)
    assert [one.number for one in crew.fleet.members()] == [1]


def test_a_number_set_by_hand_begins_no_cool_down(database: Database) -> None:
    with database.engine.begin() as connection:
        assert sizing.read(connection, HOST, "books") == sizing.Size()
        sizing.write(connection, HOST, "books", 2, why="by hand")
        found = sizing.read(connection, HOST, "books")
    assert (found.desired, found.since_down, found.since_up, found.why) == (2, None, None, "by hand")


def test_a_database_that_is_away_lets_nothing_be_scaled(postgres_of_test: Postgres, crew: Crew) -> None:
    crew.fleet.run(2)
    up = step(crew, CALM)
    postgres_of_test.kill()
    with pytest.raises(Transient, match="does not answer"):
        apply(crew, up)
    assert crew.fleet.done == []

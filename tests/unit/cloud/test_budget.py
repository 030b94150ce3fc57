"""People hear of an instance that costs too much while it runs, once, and a silent cloud ends no watch."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from medialift.cloud import budget, instances
from medialift.cloud.budget import Spending
from medialift.cloud.scaleway import Scaleway
from medialift.errors import Permanent
from medialift.foundation.waiting import SystemClock
from tests.cloud_world import CloudWorld, make_cloud_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CloudWorld]:
    yield from make_cloud_world(tmp_path)


@pytest.fixture
def running(world: CloudWorld) -> instances.Instance:
    made, _ = instances.present(world.client(), world.wanted())
    return made


class People:
    """Whoever is told. They can be out of reach for a number of tries."""

    def __init__(self, deaf: int = 0) -> None:
        self.heard: list[Spending] = []
        self.deaf = deaf

    def __call__(self, now: Spending) -> bool:
        if self.deaf:
            self.deaf -= 1
            return False
        self.heard.append(now)
        return True


class HourLater(SystemClock):
    """So that what was made a moment ago has cost something."""

    def now(self) -> float:
        return super().now() + 3600


def look(world: CloudWorld, people: People, eur: float, **options: object) -> budget.Watched:
    limits: dict[str, object] = {"every": 0.02, "at_most": 0.3, **options}
    cloud = Scaleway(world.client().account, clock=HourLater())
    return budget.watch(cloud, "burst", eur, people, **limits)  # type: ignore[arg-type]


def test_people_are_told_once_while_it_runs_and_the_watch_ends(
    world: CloudWorld, running: instances.Instance, tmp_path: Path
) -> None:
    people, marker = People(), tmp_path / "artifacts" / "overspent.json"
    assert look(world, people, 0.0, marker=marker).ended == budget.TOLD
    [now] = people.heard
    assert (now.instance, now.zone) == (running.id, running.zone)
    assert now.cost_eur == pytest.approx(now.hourly_eur, rel=0.01) and now.hourly_eur == pytest.approx(
        0.054 + 20 * 0.000118 + 0.004
    )
    assert budget.told_of(marker) == [running.id]
    # The burst was run again: its new watch knows.
    assert look(world, people, 0.0, marker=marker).ended == budget.TOLD
    assert len(people.heard) == 1


def test_another_instance_of_the_same_name_is_told_of_again(
    world: CloudWorld, running: instances.Instance, tmp_path: Path
) -> None:
    people, marker = People(), tmp_path / "overspent.json"
    look(world, people, 0.0, marker=marker)
    instances.absent(world.client(), "burst", timeout=10, poll=0.03)
    instances.present(world.client(), world.wanted())
    look(world, people, 0.0, marker=marker)
    assert len({now.instance for now in people.heard}) == 2
    assert budget.told_of(marker) == [now.instance for now in people.heard]


def test_nobody_is_told_below_the_budget(world: CloudWorld, running: instances.Instance) -> None:
    people = People()
    seen = look(world, people, 100.0)
    assert (seen.ended, people.heard) == (budget.TIME, [])
    assert seen.last is not None and seen.last.seconds > 0


def test_the_watch_ends_with_the_instance(world: CloudWorld, running: instances.Instance) -> None:
    # Late enough for a first look on a busy machine: without one there is nothing to watch.
    gone = threading.Timer(2.0, lambda: instances.absent(world.client(), "burst", timeout=10, poll=0.03))
    gone.start()
    seen = look(world, People(), 100.0, at_most=20)
    gone.join()
    assert seen.ended == budget.GONE


def test_a_cloud_that_does_not_answer_is_no_instance_that_is_gone(
    world: CloudWorld, running: instances.Instance
) -> None:
    world.fault(kind="error", match="/servers", times=100)
    seen = look(world, People(), 100.0, at_most=0.5)
    assert (seen.ended, seen.last) == (budget.TIME, None)


def test_people_out_of_reach_are_told_at_the_next_look(
    world: CloudWorld, running: instances.Instance, tmp_path: Path
) -> None:
    people = People(deaf=2)
    assert look(world, people, 0.0, marker=tmp_path / "told.json", at_most=20).ended == budget.TOLD
    assert len(people.heard) == 1


def test_a_second_watch_leaves_the_first_alone(
    world: CloudWorld, running: instances.Instance, tmp_path: Path
) -> None:
    people = People()
    with (tmp_path / "told.json.lock").open("w") as held_by_the_first:
        fcntl.flock(held_by_the_first, fcntl.LOCK_EX)
        assert look(world, people, 0.0, marker=tmp_path / "told.json").ended == budget.BUSY
    assert look(world, people, 0.0, marker=tmp_path / "told.json").ended == budget.TOLD
    assert len(people.heard) == 1


def test_a_name_that_no_instance_has_is_an_error(world: CloudWorld) -> None:
    with pytest.raises(Permanent, match="There is no such instance"):
        look(world, People(), 1.0)


def test_a_damaged_note_is_named(tmp_path: Path) -> None:
    (tmp_path / "told.json").write_text("{")
    with pytest.raises(Permanent, match=r"told\.json"):
        budget.told_of(tmp_path / "told.json")

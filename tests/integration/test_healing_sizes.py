"""Each path of the flowchart of scaling, with real workers; how busy the disk is, the test says."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from medialift.healing.pressure import Sources
from medialift.mounts import mountinfo
from tests.healing_scene import HEALTHY_SECONDS, Life, Scene, scene

__all__ = ["scene"]

ONE_DISK = "36 35 254:0 / / rw - ext4 /dev/vda rw\n"
STALLED: Life = {"do": "stall", "after": 1}
NEVER = 3600.0
DRAIN = 60.0
"""Seconds: each of these workers ends when it is told to, however busy the machine is."""


class Disk:
    """The one disk of the host: busy for as large a part of the time as it is told."""

    def __init__(self, folder: Path) -> None:
        self.sys, self.stalls = folder / "sys", folder / "stalls"
        place = self.sys / "block" / "vda"
        (place / "device").mkdir(parents=True)
        (place / "dev").write_text("254:0\n")
        numbers = self.sys / "dev" / "block"
        numbers.mkdir(parents=True)
        (numbers / "254:0").symlink_to(place)
        self.share, self._busy, self._looked = 0.0, 0.0, time.monotonic()
        self.waiting = 0.0

    def busy(self) -> Mapping[str, float]:
        now = time.monotonic()
        self._busy += self.share * (now - self._looked)
        self._looked = now
        return {"vda": self._busy}

    def processors(self) -> tuple[float, float]:
        now = time.monotonic()
        return self.waiting * now, now

    @property
    def sources(self) -> Sources:
        return Sources(
            busy=self.busy,
            memory=lambda: 0.3,
            processors=self.processors,
            stalls=self.stalls,
            sys=self.sys,
            mounts=lambda: mountinfo.parse(ONE_DISK),
        )


@pytest.fixture
def disk(scene: Scene, tmp_path: Path) -> Disk:
    made = Disk(tmp_path / "host")
    scene.sources, scene.disks = made.sources, [tmp_path]
    return made


def heals(scene: Scene, target: int, *, well: bool = False, **more: Any) -> None:
    """A healing that keeps so many workers, and looks twice: once to compare with."""
    scaling = {"targets": {"books": target}, "down_cooldown": NEVER, "up_cooldown": NEVER, **more}
    patient = {name: HEALTHY_SECONDS for name in ("progress", "activity", "starting")} if well else {}
    # Their remedies are not what this is about.
    scene.heals(scaling=scaling, drain=DRAIN, **({"cooldown": NEVER} | patient))
    scene.round()


def numbers(scene: Scene) -> list[int]:
    return [member.number for member in scene.fleet.members() if member.enabled]


def steps(scene: Scene) -> list[str]:
    return [entry.detail["path"] for entry in scene.history(what="scaling")]


def three(scene: Scene, *first: Life) -> list[str]:
    """Three workers, the first of which does so."""
    names = scene.start_all([first, ["well"], ["well"]], items=3000)
    for name in names:
        scene.wait_for_progress(name)
    return names


def test_a_saturated_disk_and_a_stuck_worker_take_one_away_the_highest(scene: Scene, disk: Disk) -> None:
    first, _, third = three(scene, STALLED, "well")
    heals(scene, 3)
    disk.share = 0.95
    scene.rounds_until(lambda _: steps(scene))
    assert steps(scene) == ["undecided"] and numbers(scene) == [1, 2]
    assert scene.history(what="scaling")[0].detail["drained"] == {third: True}
    assert third not in scene.round().stuck
    for _ in range(5):  # the cool-down of a step down
        scene.round()
    assert numbers(scene) == [1, 2]
    assert scene.outcomes(first, "remedy") == ["applied"]


def test_a_saturated_disk_without_a_stuck_worker_takes_none_away(scene: Scene, disk: Disk) -> None:
    three(scene, "well")
    heals(scene, 3, well=True)
    disk.share = 0.95
    for _ in range(10):
        assert not scene.round().stuck
    assert numbers(scene) == [1, 2, 3] and scene.untouched() and not scene.history()


def test_another_cause_that_a_rule_names_keeps_their_number(scene: Scene, disk: Disk) -> None:
    stuck, *_ = three(scene, {"do": "spin", "after": 1})
    scene.wait_for_log(stuck, "has no title", 12)
    heals(scene, 3)
    disk.share = 0.95
    scene.until_treated(stuck)
    assert scene.history(stuck, "decision")[0].detail["cause"] == "same_item"
    assert numbers(scene) == [1, 2, 3] and not steps(scene)


def test_the_last_worker_stays_and_is_restarted_instead(scene: Scene, disk: Disk) -> None:
    name = scene.start(STALLED, "well")
    heals(scene, 1)
    disk.share = 0.95
    scene.until_treated(name)
    assert numbers(scene) == [1] and not steps(scene)


def test_a_calm_disk_below_the_target_adds_one_of_the_lowest_free_number(scene: Scene, disk: Disk) -> None:
    scene.books.add_many(500)
    for number in (1, 2, 3):
        scene.behave(number, "well")
    (name,) = scene.fleet.run(1)
    scene.wait_for_progress(name)
    heals(scene, 3, well=True)
    scene.rounds_until(lambda one: one.visited["books"].resized)
    assert numbers(scene) == [1, 2] and steps(scene) == ["up"]
    for _ in range(5):  # the cool-down of a step up
        scene.round()
    assert numbers(scene) == [1, 2]
    heals(scene, 3, well=True, up_cooldown=0.01)
    scene.rounds_until(lambda one: one.visited["books"].resized)
    assert numbers(scene) == [1, 2, 3]
    scene.wait_for_progress(scene.fleet.name(3))
    assert not scene.rounds_until(lambda one: one.workers == 3).visited["books"].resized


def test_between_calm_and_saturated_their_number_stays(scene: Scene, disk: Disk) -> None:
    (name,) = [scene.start("well")]
    scene.wait_for_progress(name)
    disk.share = 0.7
    heals(scene, 3, well=True)
    for _ in range(10):
        scene.round()
        time.sleep(0.02)
    assert numbers(scene) == [1] and not steps(scene)


def test_workers_above_the_target_are_drained_the_highest_first(scene: Scene, disk: Disk) -> None:
    names = three(scene, "well")
    heals(scene, 1, well=True)
    scene.rounds_until(lambda _: steps(scene))
    assert numbers(scene) == [1] and steps(scene) == ["excess"]
    assert scene.history(what="scaling")[0].detail["drained"] == {names[2]: True, names[1]: True}
    before = scene.books.counts().done
    scene.wait(lambda: scene.books.counts().done > before)
    assert scene.books.scalar("select count(*) from attempt") == 0, "a drained worker lost an item"


def test_a_fixed_number_is_left_alone_however_busy_the_disk_is(scene: Scene, disk: Disk) -> None:
    names = three(scene, STALLED)
    scene.heals(cooldown=NEVER)
    disk.share = 1.0
    scene.until_stuck(names[0])
    for _ in range(5):
        scene.round()
    assert numbers(scene) == [1, 2, 3] and not steps(scene)


def test_waiting_for_io_with_an_idle_disk_is_a_hung_mount_and_no_pressure(scene: Scene, disk: Disk) -> None:
    three(scene, "well")
    disk.waiting = 1.0
    heals(scene, 3, well=True)
    disk.share = 0.0
    scene.rounds_until(lambda _: scene.history(what="finding"))
    for _ in range(5):
        scene.round()
    (finding,) = scene.history(what="finding")
    assert finding.outcome == "hung_mount" and "mount hangs" in finding.subject
    assert [notice.title.startswith("A mount hangs") for notice in scene.told] == [True]
    assert numbers(scene) == [1, 2, 3] and scene.untouched()

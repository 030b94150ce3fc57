"""Fleets: real processes that are drained, killed and started again; and what systemd is asked for."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from medialift.errors import Permanent
from medialift.foundation import holding
from medialift.foundation.waiting import wait_until
from tests.healing_fleet import ProcessFleet

WORKER = """
import os, signal, subprocess, sys, time
mode = os.environ.get("MODE", "good")
end = []
if mode == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
elif mode == "good":
    signal.signal(signal.SIGTERM, lambda *_: end.append(1))
if mode == "parent":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("child", subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid, flush=True)
print("life of", *sys.argv[1:], os.environ.get("BATCH", ""), flush=True)
if mode == "crash":
    sys.exit(1)
if mode == "wrong":
    sys.exit(2)
while not end:
    time.sleep(0.02)
print("drained", flush=True)
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[ProcessFleet]:
    def command(name: str, number: int, release: Path | None) -> list[str]:
        return [sys.executable, "-c", WORKER, name, str(release or "common")]

    with ProcessFleet(command, tmp_path) as made:
        yield made


def said(fleet: ProcessFleet, name: str, words: str, times: int = 1) -> bool:
    return wait_until(lambda: fleet.log(name).read_text().count(words) >= times, at_most=20, every=0.02)


def test_a_worker_that_is_stopped_ends_by_itself_stays_enabled_and_is_not_started_again(
    fleet: ProcessFleet,
) -> None:
    one, two = fleet.run(2)
    assert said(fleet, one, "life of")
    assert fleet.stop(one, at_most=20)
    assert "drained" in fleet.log(one).read_text()
    time.sleep(0.3)
    stopped, other = fleet.members()
    assert (stopped.enabled, stopped.active, stopped.pid) == (True, False, 0)
    assert other.active and fleet.pid(two)
    fleet.start(one)
    assert said(fleet, one, "life of", 2)
    assert len(fleet.lives(one)) == 2


def test_one_that_does_not_end_in_time_is_killed_with_its_children(fleet: ProcessFleet) -> None:
    name = fleet.enable(1)
    fleet.configure(name, {"MODE": "parent"})
    fleet.start(name)
    assert said(fleet, name, "life of")
    child = int(fleet.log(name).read_text().split()[1])
    assert holding.process(child)
    assert not fleet.stop(name, at_most=0.3)
    assert wait_until(lambda: holding.process(child) is None, at_most=10, every=0.02)


def test_one_that_is_frozen_hears_the_stop(fleet: ProcessFleet) -> None:
    (name,) = fleet.run(1)
    assert said(fleet, name, "life of")
    fleet.signal(name, signal.SIGSTOP)
    assert fleet.stop(name, at_most=20)


def test_what_crashes_is_started_again_and_what_is_told_wrong_is_not(fleet: ProcessFleet) -> None:
    crashing, wrong = fleet.enable(1), fleet.enable(2)
    fleet.configure(crashing, {"MODE": "crash"})
    fleet.configure(wrong, {"MODE": "wrong"})
    fleet.start(crashing)
    fleet.start(wrong)
    assert said(fleet, crashing, "life of", 3)
    assert fleet.members()[0].restarts >= 2
    assert fleet.log(wrong).read_text().count("life of") == 1
    fleet.stop(crashing, at_most=5)
    lives = len(fleet.lives(crashing))
    time.sleep(0.4)
    assert len(fleet.lives(crashing)) == lives


def test_what_is_set_for_one_counts_from_its_next_start_and_can_be_taken_back(fleet: ProcessFleet) -> None:
    name, _ = fleet.run(2)
    assert said(fleet, name, f"life of {name} common")
    fleet.configure(name, {"BATCH": "7"}, Path("/releases/2"))
    assert [(one.settings, one.release) for one in fleet.members()] == [
        ({"BATCH": "7"}, Path("/releases/2")),
        ({}, None),
    ]
    fleet.stop(name, at_most=20)
    fleet.start(name)
    assert said(fleet, name, f"life of {name} /releases/2 7")
    fleet.configure(name, {})
    assert fleet.members()[0].settings == {}


def test_a_disabled_worker_runs_on_and_is_gone_once_it_has_ended(fleet: ProcessFleet) -> None:
    one, two = fleet.run(2)
    fleet.disable(two)
    assert [(member.enabled, member.active) for member in fleet.members()] == [(True, True), (False, True)]
    fleet.stop(two, at_most=20)
    assert [member.name for member in fleet.members()] == [one]
    with pytest.raises(Permanent, match="no such worker"):
        fleet.start("here@9")

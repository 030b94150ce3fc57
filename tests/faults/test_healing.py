"""What breaks around the healing itself: nothing is done to who is well, and nothing stays half done."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Event, Thread

import pytest

from medialift.errors import Transient
from medialift.foundation.waiting import SystemClock, wait_until
from medialift.healing.fleet import Member
from medialift.healing.loop import Loop
from medialift.queueing import control
from tests.faults import catalogue
from tests.healing_fleet import ProcessFleet
from tests.healing_scene import Scene, healing_scene
from tests.postgres_world import Postgres

HANG = {"do": "hang", "after": 3}
START_SECONDS = 10.0
"""A worker that is started on a busy machine makes its first progress in that time."""


@pytest.fixture
def scene(postgres_of_test: Postgres, ledger_url: str, tmp_path: Path) -> Iterator[Scene]:
    with healing_scene(ledger_url, tmp_path) as made:
        yield made


# -- a fleet that is well -----------------------------------------------------------------------------------

WORKERS, ROUNDS = 8, 1000
LIMIT_SECONDS = 8.0
"""Without progress for so long, a worker is stuck: a share of the time that the rounds take together."""


@pytest.mark.fault(catalogue.HEALTHY_WATCHED)
def test_a_healthy_fleet_of_8_is_watched_through_1000_rounds_and_never_touched(scene: Scene) -> None:
    """Some work, one is at one large item for all of it, one reads for all of it, one rests now and then; the
    queue is paused, connections are cut, a worker is drained by hand and started again."""
    well: list[Mapping[str, object]] = [{"do": "well", "seconds": seconds} for seconds in (0.05, 0.1, 0.3)]
    names = scene.start_all([*([one] for one in [*well, *well]), ["slow"], ["slow_start"]], items=20_000)
    for name in names:
        scene.wait_until_registered(name)
    limits = dict.fromkeys(("progress", "starting", "activity", "silence"), LIMIT_SECONDS)
    scene.heals(**limits, cooldown=600, scaling={"targets": {"books": WORKERS}})
    scene.wait(lambda: scene.books.counts().done > 20)
    began = time.monotonic()
    happenings = {
        200: lambda: scene.books.change(control.change, who="test", paused=True),
        300: lambda: scene.books.change(control.change, who="test", paused=False),
        400: lambda: scene.books.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where pid <> pg_backend_pid() and application_name like 'medialift %@%'"
        ),
        600: lambda: scene.fleet.stop(names[1], at_most=30),
        700: lambda: (scene.fleet.start(names[1]), scene.fleet.done.clear()),
    }
    for number in range(ROUNDS):
        happenings.get(number, lambda: None)()
        scene.round()
        if number == 600:
            scene.fleet.done.clear()
        # The thousand are to take longer than what makes one stuck, however fast the machine is.
        time.sleep(max(0.0, began + number * 3 * LIMIT_SECONDS / ROUNDS - time.monotonic()))
    assert time.monotonic() - began > 2 * LIMIT_SECONDS
    assert not [one for one in scene.rounds if one.idle or one.stuck or one.errors], scene.story()
    assert scene.untouched() and not scene.history() and not scene.told
    assert {one.workers for one in scene.rounds} == {WORKERS}
    assert scene.books.scalar("select count(*) from care") == 0
    assert scene.books.counts().done > 300


# -- the healing ends in the middle -------------------------------------------------------------------------


class Killed(BaseException):
    """Nobody catches it: the healing ends here."""


class Mortal:
    """A fleet under which the healing ends when it is about to call a method for the first time."""

    def __init__(self, fleet: ProcessFleet, at: str) -> None:
        self._fleet, self._at = fleet, at

    def __getattr__(self, name: str) -> object:
        if name == self._at:
            self._at = ""
            raise Killed(name)
        return getattr(self._fleet, name)


@pytest.mark.fault(catalogue.HEALING_KILLED)
@pytest.mark.parametrize("at", ["configure", "stop", "start"])
def test_a_remedy_that_was_broken_off_is_ended_by_the_next_healing(scene: Scene, at: str) -> None:
    name = scene.start(HANG, "well")
    scene.wait_for_log(name, "hangs")
    healer = scene.heals()
    for ward in healer.wards:
        ward.fleet = Mortal(scene.fleet, at)  # type: ignore[assignment]
    with pytest.raises(Killed):
        scene.wait(lambda: scene.round() and False)
    assert scene.care(name).state == "verifying"
    scene.heals(verify=START_SECONDS)
    scene.rounds_until(lambda _: scene.outcomes(name, "verification")[-1:] == ["recovered"])
    assert len(scene.fleet.lives(name)) == 2 and scene.books.counts().done > 3


@pytest.mark.fault(catalogue.HEALING_KILLED)
@pytest.mark.parametrize("at", ["disable", "stop"])
def test_a_pause_that_was_broken_off_is_ended_by_the_next_healing(scene: Scene, at: str) -> None:
    name = scene.start("hang_at_start")
    scene.heals(attempts=1)
    scene.until_treated(name)
    scene.wait_for_log(name, "hangs at its start", 2)
    healer = scene.heals(attempts=1)
    for ward in healer.wards:
        ward.fleet = Mortal(scene.fleet, at)  # type: ignore[assignment]
    with pytest.raises(Killed):
        scene.wait(lambda: scene.round() and False)
    assert scene.care(name).paused
    scene.heals(attempts=1)
    scene.rounds_until(lambda _: not scene.fleet.pid(name))
    assert not [member for member in scene.fleet.members() if member.enabled]
    assert len(scene.outcomes(name, "remedy")) == 1


@pytest.mark.fault(catalogue.HEALING_TWICE)
def test_of_two_healings_of_a_host_one_does_nothing(scene: Scene) -> None:
    name = scene.start(HANG, "well")
    scene.wait_for_log(name, "hangs")
    first, second = scene.heals(), scene.heals()
    inside, go_on = Event(), Event()
    members = scene.fleet.members

    class Slow:
        def __getattr__(self, attribute: str) -> object:
            return getattr(scene.fleet, attribute)

        def members(self) -> list[Member]:
            inside.set()
            assert go_on.wait(60)
            return members()

    for ward in first.wards:
        ward.fleet = Slow()  # type: ignore[assignment]
    thread = Thread(target=first.round, daemon=True)
    thread.start()
    assert inside.wait(60)
    assert "another healing" in second.round().idle.lower()
    go_on.set()
    thread.join(60)
    assert not second.round().idle


# -- the ledger, and the time -------------------------------------------------------------------------------


@pytest.mark.fault(catalogue.HEALING_DATABASE)
@pytest.mark.parametrize("outage", ["killed", "frozen"])
def test_a_ledger_that_is_away_for_longer_than_any_limit_harms_no_worker(
    scene: Scene, postgres_of_test: Postgres, outage: str
) -> None:
    names = scene.start_all([["well"], ["well"]], items=3000)
    for name in names:
        scene.wait_for_progress(name)
    # They get as long as they need on a busy machine, and the ledger is away for longer than that.
    scene.heals(**dict.fromkeys(("progress", "starting", "activity", "silence"), 4.0), cooldown=600)
    assert not scene.round().stuck
    if outage == "killed":
        postgres_of_test.kill()
        for _ in range(3):
            with pytest.raises(Transient):
                scene.round()
        time.sleep(6.0)
        postgres_of_test.start()
    else:
        postgres_of_test.freeze()
        Thread(target=lambda: (time.sleep(6.0), postgres_of_test.thaw()), daemon=True).start()
    for _ in range(40):
        assert not scene.round().stuck
    before = scene.books.counts().done
    scene.wait(lambda: scene.books.counts().done > before)
    assert not scene.round().stuck and scene.untouched() and not scene.history()


class Jumping(SystemClock):
    """A clock that can be set."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


@pytest.mark.fault(catalogue.HEALING_CLOCK)
@pytest.mark.parametrize("by", [3600.0, -3600.0])
def test_a_clock_that_jumps_makes_a_round_do_nothing_and_nobody_old(scene: Scene, by: float) -> None:
    clock = scene.clock = Jumping()
    name = scene.start(HANG)
    scene.wait_for_log(name, "hangs")
    scene.heals(repair=False)
    scene.until_stuck(name)
    scene.heals(progress=10)
    scene.round()
    clock.ahead = by
    assert "clock has jumped" in scene.round().idle
    # As the ledger would have it if the database's clock had jumped too: an hour without progress.
    hour = "now() - interval '1 hour'"
    scene.books.execute(f"update worker set last_progress = {hour}, started = {hour}, free_since = {hour}")
    scene.books.execute(f"update worker set work_since = {hour}")
    assert not scene.round().stuck
    # Nobody is held to what was before the database began.
    scene.wait(lambda: scene.books.scalar("select now() - pg_postmaster_start_time() > interval '10 s'"))
    scene.heals(progress=10)
    assert scene.round().stuck == [name], "without the jump it would have been stuck"


# -- as a service -------------------------------------------------------------------------------------------


def test_the_loop_heals_by_itself_tells_systemd_and_ends_at_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"\0medialift-healing-{os.getpid()}-{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", address.replace("\0", "@"))
        scene.fleet.env["NOTIFY_SOCKET"] = ""  # it is the healing's alone
        name = scene.start(HANG, "well")
        # Time enough for a start on a busy machine.
        loop = Loop(scene.heals(verify=10, progress=3.0, cooldown=600), scene.stop, after=scene.rounds.append)
        thread = Thread(target=loop.run, daemon=True)
        thread.start()
        scene.wait(lambda: scene.outcomes(name, "verification"))
        assert scene.outcomes(name, "verification") == ["recovered"], scene.story()
        began = time.monotonic()
        scene.stop.set()
        thread.join(30)
        assert not thread.is_alive() and time.monotonic() - began < 20
        told: list[str] = []
        wait_until(lambda: not _hears(systemd, told), at_most=5, every=0.0)
    assert told[0] == "READY=1" and told[-1] == "STOPPING=1"
    assert any(one.startswith("WATCHDOG=1\nSTATUS=") for one in told)


def _hears(systemd: socket.socket, told: list[str]) -> bool:
    try:
        told.append(systemd.recv(4096).decode())
    except BlockingIOError:
        return False
    return True

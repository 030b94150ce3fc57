"""Each path of the flowchart, with a real worker process that is made to fail."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from medialift.healing import operations
from medialift.healing.evidence import ServerHealth
from medialift.queueing import control
from medialift.settings import Settings
from tests.faults import catalogue
from tests.healing_fleet import ROOT
from tests.healing_scene import HEALTHY_SECONDS, Scene, scene
from tests.healing_worker import PARALLEL
from tests.mount_world import StoreMount

__all__ = ["scene"]

HANG = {"do": "hang", "after": 3}
WELL_THEN = ["finding", "decision", "remedy", "verification"]


def whats(scene: Scene, name: str) -> list[str]:
    return [str(entry.what) for entry in scene.history(name)]


# -- get running workers ------------------------------------------------------------------------------------


def test_without_workers_a_round_finds_nothing(scene: Scene) -> None:
    done = scene.round()
    assert (done.idle, done.workers, done.stuck, done.errors) == ("", 0, [], ())
    assert not scene.history()


# -- has uploaded before ------------------------------------------------------------------------------------


@pytest.mark.fault(catalogue.WORKER_HANGS)
def test_one_that_finished_items_and_makes_no_progress_is_restarted_and_proven_well(scene: Scene) -> None:
    name = scene.start(HANG, "well")
    scene.wait_for_log(name, "hangs")
    scene.until_treated(name)
    assert len(scene.fleet.lives(name)) == 2
    scene.wait_for_progress(name)
    scene.until_verified(name, "recovered")
    assert (scene.care(name).attempts, scene.care(name).state) == (0, "well")
    assert whats(scene, name) == WELL_THEN
    assert scene.outcomes(name, "finding") == ["no_progress"]
    finding, decision, remedy, _ = scene.history(name)
    assert any("Event().wait" in line or "hang (" in line for line in finding.detail["stack"]), finding.detail
    assert any("hangs" in line for line in finding.detail["log"])
    # Its thread goes on to give signs of life: on a busy machine that may look like work.
    assert decision.detail["cause"] in ("hung", "unknown") and decision.outcome == "restart"
    assert "killed" in remedy.subject and remedy.detail["taken_back"] > 0
    assert scene.fleet.done == [("configure", name), ("stop", name), ("start", name)]


def test_one_that_finished_items_and_goes_on_is_left_alone(scene: Scene) -> None:
    name = scene.start("well")
    scene.heals(progress=HEALTHY_SECONDS, activity=HEALTHY_SECONDS, starting=HEALTHY_SECONDS)
    scene.wait_for_progress(name)
    for _ in range(20):
        assert not scene.round().stuck
    assert scene.untouched() and not scene.history()


def test_one_whose_single_item_takes_very_long_and_whose_bytes_go_on_is_left_alone(scene: Scene) -> None:
    name = scene.start({"do": "slow", "after": 1})
    scene.heals(progress=HEALTHY_SECONDS, activity=HEALTHY_SECONDS, starting=HEALTHY_SECONDS)
    scene.wait(lambda: (seen := scene.seen(name)) is not None and seen.bytes > 10_000)
    assert scene.seen(name).items == 1  # type: ignore[union-attr]
    for _ in range(10):
        assert not scene.round().stuck
    assert scene.untouched()


# -- has not: status initialising or discovering ------------------------------------------------------------


@pytest.mark.fault(catalogue.WORKER_HANGS)
def test_one_that_never_gets_beyond_its_start_is_restarted(scene: Scene) -> None:
    name = scene.start("hang_at_start", "well")
    scene.until_treated(name)
    assert scene.outcomes(name, "finding") == ["not_starting"]
    scene.wait_for_progress(name)
    scene.until_verified(name, "recovered")


def test_one_that_discovers_without_progress_is_stuck_although_no_item_waits(scene: Scene) -> None:
    name = scene.start({"do": "hang_at_start", "phase": "discovering"}, "well", items=0)
    scene.until_stuck(name)
    assert scene.outcomes(name, "finding") == ["not_starting"]


def test_one_that_discovers_and_reads_on_is_left_alone(scene: Scene) -> None:
    name = scene.start("slow_start", items=0)
    scene.heals(starting=HEALTHY_SECONDS)
    scene.wait(lambda: (seen := scene.seen(name)) is not None and seen.rows_read > 50)
    for _ in range(10):
        assert not scene.round().stuck
    assert scene.untouched()


def test_one_below_the_floor_of_uptime_is_never_touched(scene: Scene) -> None:
    name = scene.start("hang_at_start")
    scene.heals(floor=600)
    scene.wait_for_log(name, "hangs at its start")
    scene.wait(lambda: (seen := scene.seen(name)) is not None and seen.uptime > 2)
    for _ in range(5):
        assert not scene.round().stuck
    assert scene.untouched()


# -- has not: other status ----------------------------------------------------------------------------------


@pytest.mark.fault(catalogue.WORKER_HANGS)
def test_one_in_another_phase_without_activity_is_restarted(scene: Scene) -> None:
    name = scene.start("stall", "well")
    scene.heals(drain=60)
    scene.until_treated(name)
    assert scene.outcomes(name, "finding") == ["no_activity"]
    remedy = scene.history(name, "remedy")[0]
    assert remedy.subject == "restart (drained)", "it was killed although it ends when it is told to"
    scene.wait_for_progress(name)
    scene.until_verified(name, "recovered")


@pytest.mark.fault(catalogue.WORKER_HANGS)
def test_one_without_a_sign_of_life_is_restarted(scene: Scene) -> None:
    name = scene.start("well")
    scene.wait_for_progress(name)
    scene.fleet.signal(name, signal.SIGSTOP)
    scene.until_treated(name)
    assert "stopped" in scene.history(name, "decision")[0].subject
    scene.wait_for_progress(name)
    scene.until_verified(name, "recovered")


# -- cool-down ----------------------------------------------------------------------------------------------


def test_within_the_cool_down_nothing_is_done_and_the_evidence_is_kept(scene: Scene) -> None:
    name = scene.start(HANG)
    scene.heals(cooldown=600)
    scene.until_treated(name)
    scene.fleet.done.clear()
    scene.wait_for_log(name, "hangs", 2)
    scene.until_stuck(name)
    for _ in range(5):
        assert name in scene.round().stuck
    assert not scene.fleet.done
    findings = scene.history(name, "finding")
    assert len(findings) == 2 and "nothing is done now" in findings[-1].subject
    assert findings[-1].detail["stack"] and findings[-1].detail["log"]


def test_one_that_recovers_and_is_stuck_again_within_the_cool_down_counts_as_not_helped(scene: Scene) -> None:
    name = scene.start(HANG, {"do": "hang", "after": 2}, "well")
    scene.heals(cooldown=600)
    scene.until_treated(name)
    scene.wait_for_log(name, "hangs", 2)
    scene.wait_for_progress(name)
    scene.until_stuck(name)
    assert scene.outcomes(name, "verification") == ["recovered", "recurred"]
    assert (scene.care(name).attempts, scene.care(name).state) == (1, "ill")


# -- attempts -----------------------------------------------------------------------------------------------


def test_after_three_attempts_it_is_paused_and_people_are_told(scene: Scene) -> None:
    name = scene.start("hang_at_start")
    for attempt in (1, 2, 3):
        scene.until_treated(name)
        scene.wait_for_log(name, "hangs at its start", attempt + 1)
        scene.until_verified(name, "ineffective")
        assert scene.care(name).attempts == attempt
    scene.until_paused(name)
    kept = scene.care(name)
    assert kept.paused and "3 remedies did not help" in kept.paused_why
    assert len(scene.outcomes(name, "remedy")) == 3
    assert scene.fleet.done[-2:] == [("disable", name), ("stop", name)]
    assert not [member for member in scene.fleet.members() if member.enabled or member.active]
    notice = scene.told[-1]
    assert (notice.event, notice.title) == ("escalated", f"{name} is paused")
    assert f"medialift healing release {name}" in notice.body
    scene.fleet.done.clear()
    for _ in range(5):
        scene.round()
    assert not scene.fleet.done and len(scene.told) == 1


def test_success_resets_the_count(scene: Scene) -> None:
    name = scene.start("hang_at_start", "hang_at_start", "well")
    scene.until_treated(name)
    scene.wait_for_log(name, "hangs at its start", 2)
    scene.until_verified(name, "ineffective")
    scene.until_treated(name)
    scene.wait_for_progress(name)
    scene.until_verified(name, "recovered")
    assert (scene.care(name).attempts, scene.care(name).recovered_from) == (0, 1)


# -- crash loops, single items, memory ----------------------------------------------------------------------


@pytest.mark.fault(catalogue.WORKER_CRASHES)
def test_a_crash_loop_is_restarted_and_when_it_goes_on_paused(scene: Scene) -> None:
    name = scene.start("crash")
    scene.heals(attempts=1)
    scene.until_treated(name)
    assert scene.outcomes(name, "finding") == ["crash_loop"]
    assert scene.history(name, "decision")[0].detail["cause"] == "crash"
    scene.until_verified(name, "ineffective")
    scene.until_paused(name)
    lives = len(scene.fleet.lives(name))
    scene.round()
    assert len(scene.fleet.lives(name)) == lives and not scene.fleet.pid(name)


@pytest.mark.fault(catalogue.WORKER_SPINS)
def test_one_that_spins_on_an_item_is_restarted_and_then_the_item_is_put_aside(scene: Scene) -> None:
    name = scene.start({"do": "spin", "key": "3"}, items=8)
    scene.wait_for_log(name, "item 3 has no title", 12)
    scene.until_treated(name)
    assert scene.history(name, "decision")[0].detail["cause"] == "same_item"
    assert scene.books.state("3") != "paused"
    scene.wait_for_log(name, "Starting worker", 2)
    said = scene.log(name).count("item 3 has no title")
    scene.wait_for_log(name, "item 3 has no title", said + 12)
    scene.until_verified(name, "ineffective")
    scene.until_treated(name)
    assert scene.books.state("3") == "paused"
    assert "item 3 was put aside" in scene.history(name, "remedy")[-1].subject
    scene.wait(lambda: scene.books.counts().done == 7)
    scene.until_verified(name, "recovered")


@pytest.mark.fault(catalogue.WORKER_LEAKS)
def test_one_that_leaks_memory_is_started_anew_with_less_to_do_at_once(scene: Scene, tmp_path: Path) -> None:
    scene.cgroups = tmp_path / "cgroups"
    for group, limit in (("", "memory.max"), ("memory", "memory.limit_in_bytes")):
        (scene.cgroups / group).mkdir(exist_ok=True)
        (scene.cgroups / group / limit).write_text(f"{200 << 20}\n")
    name = scene.start({"do": "leak", "bytes": 190 << 20})
    scene.until_treated(name)
    decision = scene.history(name, "decision")[0]
    assert (decision.detail["by"], decision.outcome) == ("rule memory", "config_fix"), decision
    assert decision.detail["settings"] == {"parallel_uploads": 8}
    assert scene.fleet.members()[0].settings == {PARALLEL: "8"}
    scene.wait_for_progress(name)
    scene.until_verified(name, "recovered")
    assert scene.care(name).settings == {PARALLEL: "8"}


# -- a cause elsewhere --------------------------------------------------------------------------------------


@contextmanager
def server() -> Iterator[tuple[str, Any]]:
    """A server that answers as long as it is `well`."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if well.is_set() else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    well = threading.Event()
    well.set()
    running = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}/", well
    finally:
        running.shutdown()
        running.server_close()


def health(url: str) -> Any:
    def asked(_: Settings) -> ServerHealth:
        code = httpx.get(url, trust_env=False, timeout=10).status_code
        return ServerHealth("the server", ok=code == 200, latency=0.01, why=f"it answers with {code}")

    return asked


@pytest.mark.fault(catalogue.WORKER_SERVER)
def test_one_that_lost_its_server_waits_untouched_and_goes_on_by_itself(scene: Scene) -> None:
    with server() as (url, well):
        scene.server = health(url)
        name = scene.start({"do": "ask", "url": url})
        scene.wait_for_progress(name)
        well.clear()
        scene.rounds_until(lambda _: scene.decisions(name))
        for _ in range(5):
            assert name in scene.round().stuck
        assert scene.untouched()
        assert scene.decisions(name) == ["rule server_down"]
        assert scene.outcomes(name, "decision") == ["wait"]
        assert [notice.title for notice in scene.told] == ["Workers of books wait: server down"]
        scene.heals(verify=600)
        well.set()
        scene.rounds_until(lambda one: not one.stuck)
        assert scene.untouched() and scene.care(name).attempts == 0


@pytest.mark.fault(catalogue.WORKER_SERVER)
def test_one_that_crashes_for_want_of_its_server_waits_and_is_told_of_once(scene: Scene) -> None:
    with server() as (url, well):
        well.clear()
        scene.server = health(url)
        name = scene.start("crash", items=8)
        scene.rounds_until(lambda _: scene.decisions(name))
        lives = len(scene.fleet.lives(name))
        scene.rounds_until(lambda _: len(scene.fleet.lives(name)) > lives + 1)
        assert scene.decisions(name) == ["rule server_down"] and whats(scene, name) == ["finding", "decision"]
        assert scene.untouched() and len(scene.told) == 1


@pytest.mark.fault(catalogue.WORKER_SERVER)
def test_one_that_rests_while_its_server_is_down_is_left_alone(scene: Scene) -> None:
    with server() as (url, well):
        scene.server = health(url)
        name = scene.start({"do": "ask_with_breaker", "url": url})
        scene.wait_for_progress(name)
        well.clear()
        scene.wait(lambda: (seen := scene.seen(name)) is not None and seen.resting)
        for _ in range(20):
            assert not scene.round().stuck
        assert scene.untouched()


def test_one_that_waits_for_another_session_s_lock_is_left_alone_and_goes_on(scene: Scene) -> None:
    scene.books.execute("create table lockable (number int)")
    scene.books.execute("insert into lockable values (0)")
    name = scene.start({"do": "locked"})
    scene.heals(progress=2.5)
    scene.wait_for_progress(name)
    with psycopg.connect(scene.database.url, application_name="somebody") as blocking:
        blocking.execute("lock table lockable in exclusive mode")
        scene.rounds_until(lambda _: scene.decisions(name))
        decision = scene.history(name, "decision")[0]
        assert (decision.detail["by"], decision.outcome) == ("rule ledger_locked", "wait")
        assert "somebody" in decision.subject
        assert scene.untouched()
    scene.heals(verify=600, progress=HEALTHY_SECONDS, activity=HEALTHY_SECONDS)
    before = scene.seen(name).items  # type: ignore[union-attr]
    scene.wait(lambda: (seen := scene.seen(name)) is not None and seen.items > before)
    assert not scene.round().stuck and scene.untouched()


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[StoreMount]:
    folder = tmp_path / "mount"
    folder.mkdir()
    made = StoreMount(folder)
    made.fill("one", size=60_000)
    made.up()
    yield made
    made.down()


@pytest.mark.fault(catalogue.WORKER_MOUNT)
def test_one_whose_mount_hangs_waits_untouched_and_goes_on_when_it_answers(
    scene: Scene, mount: StoreMount
) -> None:
    scene.mounts = [mount.place]
    scene.more = {"mounts": {"points": [str(mount.place)], "deadline": 5}}
    name = scene.start({"do": "read", "file": str(mount.place / "one")})
    scene.wait_for_progress(name)
    mount.store.mode = "hang"  # type: ignore[attr-defined]
    scene.rounds_until(lambda _: scene.decisions(name))
    assert scene.decisions(name)[0] in ("rule hung_mount", "rule mount_down"), scene.story()
    assert scene.outcomes(name, "decision") == ["wait"]
    finding = scene.history(name, "finding")[0]
    assert [one["state"] for one in finding.detail["mounts"]] == ["hung"], finding.detail["mounts"]
    scene.heals(verify=600)
    mount.store.mode = "ok"  # type: ignore[attr-defined]
    mount.store.released.set()  # type: ignore[attr-defined]
    scene.rounds_until(lambda one: not one.stuck)
    assert scene.untouched() and scene.care(name).attempts == 0


@pytest.mark.fault(catalogue.WORKER_SERVER)
def test_one_that_does_not_go_on_when_its_cause_is_over_is_restarted(scene: Scene) -> None:
    with server() as (url, well):
        scene.server = health(url)
        name = scene.start({"do": "ask_once", "url": url}, "well")
        scene.wait_for_progress(name)
        well.clear()
        scene.rounds_until(lambda _: scene.outcomes(name, "decision") == ["wait"])
        assert scene.untouched()
        well.set()
        scene.until_treated(name)
        assert scene.outcomes(name, "decision") == ["wait", "restart"]
        scene.wait_for_progress(name)
        scene.until_verified(name, "recovered")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], check=True, timeout=20)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True, timeout=20)


@pytest.mark.fault(catalogue.WORKER_DISK)
def test_a_full_disk_pauses_at_once_and_room_releases(scene: Scene, small_disk: Path) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(8 << 20))
    scene.disks = [small_disk]
    name = scene.start("stall", "well")
    scene.until_paused(name)
    assert scene.decisions(name) == ["rule disk_full"] and not scene.outcomes(name, "remedy")
    assert not scene.fleet.pid(name) and scene.told[-1].event == "escalated"
    assert not scene.round().touched
    filler.unlink()
    scene.rounds_until(lambda one: one.visited["books"].released)
    assert scene.outcomes(name, "release") == ["cause gone"]
    scene.wait_for_progress(name)
    assert scene.care(name).state == "well" and scene.care(name).attempts == 0


def test_one_that_was_paused_for_its_failed_attempts_is_released_by_a_person_only(scene: Scene) -> None:
    with server() as (url, _):
        scene.server = health(url)
        name = scene.start("hang_at_start", "hang_at_start", "well")
        scene.heals(attempts=1)
        scene.until_treated(name)
        scene.wait_for_log(name, "hangs at its start", 2)
        scene.until_paused(name)
        for _ in range(10):
            assert not scene.round().touched
        here = scene.here
        with pytest.MonkeyPatch.context() as patch:
            # The operations know pipelines by their names: here is the one of the test.
            patch.setattr("medialift.healing.pipelines.PIPELINES", {"books": scene.pipeline()})
            done = operations.release(here, [name])
        assert done["released"] == [name]
        scene.wait_for_progress(name)
        assert scene.outcomes(name, "release") == ["by hand"] and scene.care(name).attempts == 0


# -- at rest, by hand ---------------------------------------------------------------------------------------


def test_a_queue_that_is_paused_by_hand_is_left_alone(scene: Scene) -> None:
    name = scene.start("well")
    scene.wait_for_progress(name)
    scene.books.change(control.change, who="test", paused=True)
    scene.wait(lambda: (seen := scene.seen(name)) is not None and seen.state == "paused" and not seen.held)
    for _ in range(20):
        assert not scene.round().stuck
    assert scene.untouched()


def test_one_that_has_nothing_to_do_is_left_alone(scene: Scene) -> None:
    name = scene.start("well", items=3)
    scene.wait(lambda: scene.books.counts().done == 3)
    scene.wait(lambda: (seen := scene.seen(name)) is not None and seen.idle and seen.idle > 1.5)
    assert not scene.round().stuck and scene.untouched()


def test_one_that_is_drained_by_hand_is_left_alone(scene: Scene) -> None:
    name = scene.start({"do": "well", "seconds": 600.0})
    scene.wait(lambda: (seen := scene.seen(name)) is not None and seen.held)
    scene.fleet.signal(name, signal.SIGTERM)
    scene.wait(lambda: (seen := scene.seen(name)) is not None and seen.ending)
    scene.wait(lambda: (seen := scene.seen(name)) is not None and (seen.idle or seen.uptime) > 1.5)
    for _ in range(5):
        assert not scene.round().stuck
    assert scene.untouched()


def test_with_repairs_switched_off_what_is_found_is_told_once_and_nothing_is_touched(scene: Scene) -> None:
    name = scene.start(HANG)
    scene.heals(repair=False)
    scene.wait_for_log(name, "hangs")
    scene.until_stuck(name)
    for _ in range(5):
        assert scene.round().stuck == [name]
    assert scene.untouched() and whats(scene, name) == ["finding"]
    (notice,) = scene.told
    assert (
        notice.event == "stuck"
        and "has shown no progress" in notice.body
        and "healing.repair is off" in notice.body
    )


def test_switched_off_it_does_not_even_look(scene: Scene) -> None:
    name = scene.start(HANG)
    scene.heals(enabled=False)
    scene.wait_for_log(name, "hangs")
    assert "switched off" in scene.round().idle
    assert scene.untouched() and not scene.history()


def test_one_that_was_started_by_hand_is_told_of_and_left_alone(scene: Scene) -> None:
    scene.books.add_many(50)
    scene.behave(7, HANG)
    name = scene.fleet.name(7)
    command = scene.fleet.command(name, 7, None)
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as by_hand:
        scene.rounds_until(lambda one: name in one.stuck)
        scene.round()
        assert by_hand.poll() is None and scene.untouched()
        by_hand.kill()
    assert whats(scene, name) == ["finding"]
    assert "started by hand" in scene.told[0].body and len(scene.told) == 1


# -- what never comes as far as the ledger ------------------------------------------------------------------


@pytest.mark.fault(catalogue.WORKER_NEVER_STARTS)
def test_a_release_that_does_not_even_start_is_a_crash_loop_although_the_ledger_never_heard_of_it(
    scene: Scene,
) -> None:
    name = scene.start("broken")
    scene.heals(attempts=1)
    scene.until_treated(name)
    assert scene.seen(name) is None and scene.outcomes(name, "finding") == ["crash_loop"]
    scene.until_verified(name, "ineffective")
    scene.until_paused(name)
    assert not scene.fleet.pid(name)


@pytest.mark.fault(catalogue.WORKER_NEVER_STARTS)
def test_one_that_hangs_before_it_comes_to_the_ledger_is_restarted(scene: Scene) -> None:
    name = scene.start("nothing", "well")
    scene.heals(pipelines={"books": {"phases": {"": 3.0}}})
    scene.until_treated(name)
    assert scene.outcomes(name, "finding") == ["not_starting"]
    scene.wait_for_progress(name)
    scene.until_verified(name, "recovered")

"""A job outlives whoever started it, and tells how it stands at any moment."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from medialift.errors import Permanent, Transient
from medialift.foundation import jobs
from medialift.foundation.process import Completed
from medialift.foundation.waiting import SystemClock, wait_until
from tests.faults import catalogue

REGISTRY = {
    "count": f"{__name__}:count",
    "fail": f"{__name__}:fail",
    "crash": f"{__name__}:crash",
    "fill": f"{__name__}:fill",
    "wait": f"{__name__}:wait",
}


def count(context: jobs.Context) -> dict[str, Any]:
    for number in range(context.arguments["to"]):
        with context.journal.phase(f"count {number}"):
            pass
    return {"counted": context.arguments["to"]}


def fail(context: jobs.Context) -> dict[str, Any]:
    raise Permanent("There is no such section", "Movis", "Valid are: Movies")


def crash(context: jobs.Context) -> dict[str, Any]:
    raise ZeroDivisionError("X-Plex-Token=abcdefgh12345")


def fill(context: jobs.Context) -> dict[str, Any]:
    raise OSError(errno.ENOSPC, "No space left on device", "/srv/plex")


def wait(context: jobs.Context) -> dict[str, Any]:
    context.journal.start("waiting")
    if context.stop.wait(30):
        raise jobs.Stopped(context.folder.name)
    return {}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "burst-1"


# A process of its own, as systemd would start one; it imports this very file for its kinds of jobs.
PROGRAM = [
    sys.executable,
    "-c",
    "import importlib.util, pathlib, sys;"
    f"spec = importlib.util.spec_from_file_location({__name__!r}, {__file__!r});"
    "module = importlib.util.module_from_spec(spec); sys.modules[spec.name] = module;"
    "spec.loader.exec_module(module);"
    "sys.exit(module.jobs.execute(pathlib.Path(sys.argv[1]), module.REGISTRY))",
]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or sys.modules[count.__module__])


def begun(folder: Path) -> bool:
    return any(phase.name == "waiting" for phase in jobs.state(folder).phases)


def test_a_job_that_ended_well_keeps_its_value_and_phases(folder: Path) -> None:
    jobs.submit(folder, "count", {"to": 2})
    assert jobs.state(folder).state == "waiting"
    assert jobs.execute(folder, REGISTRY) == 0
    status = jobs.state(folder)
    assert (status.state, status.value) == ("ok", {"counted": 2})
    assert [phase.name for phase in status.phases] == ["count 0", "count 1"]


def test_a_failed_job_tells_the_three_sentences_and_may_be_replaced(folder: Path) -> None:
    jobs.submit(folder, "fail", {})
    assert jobs.execute(folder, REGISTRY) == 1
    assert jobs.state(folder).error == {
        "kind": "permanent",
        "what": "There is no such section",
        "subject": "Movis",
        "hint": "Valid are: Movies",
    }
    assert jobs.submit(folder, "count", {"to": 1})
    assert jobs.request(folder)
    assert jobs.state(folder).state == "waiting"
    assert jobs.execute(folder, REGISTRY) == 0
    assert jobs.state(folder).state == "ok"


def test_a_defect_of_the_program_is_told_without_secrets(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.submit(folder, "crash", {})
    assert jobs.execute(folder, REGISTRY) == 1
    assert "ZeroDivisionError" in jobs.state(folder).error["subject"]
    written = capsys.readouterr().err + "".join(
        f.read_text() for f in folder.iterdir() if f.name != "job.json"
    )
    assert "Traceback" in written and "abcdefgh12345" not in written


def test_a_full_disk_is_no_defect_of_the_program(folder: Path) -> None:
    jobs.submit(folder, "fill", {})
    assert jobs.execute(folder, REGISTRY) == 1
    error = jobs.state(folder).error
    assert (error["what"], error["subject"]) == ("The disk is full", "/srv/plex")


def test_an_unknown_kind_is_an_error_that_lists_the_known_ones(folder: Path) -> None:
    jobs.submit(folder, "dance", {})
    assert jobs.execute(folder, REGISTRY) == 1
    assert "count" in jobs.state(folder).error["hint"]


def test_the_same_job_again_changes_nothing_and_another_one_is_refused(folder: Path) -> None:
    assert jobs.submit(folder, "count", {"to": 1})
    assert not jobs.submit(folder, "count", {"to": 1})
    jobs.execute(folder, REGISTRY)
    assert not jobs.request(folder)
    with pytest.raises(Permanent, match="finished"):
        jobs.submit(folder, "count", {"to": 2})


def test_a_job_that_was_asked_for_a_moment_ago_is_not_asked_for_again(folder: Path) -> None:
    jobs.submit(folder, "count", {"to": 1})
    assert jobs.request(folder)
    assert not jobs.request(folder)

    class Later(SystemClock):
        def now(self) -> float:
            return time.time() + 2 * jobs.START_SECONDS

    assert jobs.request(folder, clock=Later())  # whoever asked died before it was started
    jobs.execute(folder, REGISTRY)
    assert jobs.state(folder).state == "ok"


@pytest.mark.fault(catalogue.CLOCK)
def test_a_job_can_be_asked_for_again_although_the_clock_was_set_back_meanwhile(folder: Path) -> None:
    jobs.submit(folder, "count", {"to": 1})
    assert jobs.request(folder)

    class Earlier(SystemClock):
        def now(self) -> float:
            return time.time() - 400 * 86400

    assert jobs.request(folder, clock=Earlier())
    assert jobs.execute(folder, REGISTRY, clock=Earlier()) == 0
    assert jobs.state(folder).state == "ok"


def test_sigterm_ends_a_job_cleanly_as_stopped(folder: Path) -> None:
    jobs.submit(folder, "wait", {})
    assert jobs.start_detached(folder, PROGRAM)
    assert wait_until(lambda: begun(folder), at_most=20, every=0.05)
    assert not jobs.start_detached(folder, PROGRAM)  # it runs already
    assert jobs.cancel(folder)
    status = jobs.follow(folder, at_most=20, every=0.05)
    assert (status.state, status.error["what"]) == ("failed", "The job was stopped")


def test_a_job_that_was_asked_for_a_moment_ago_is_stopped_too(folder: Path) -> None:
    jobs.submit(folder, "wait", {})
    assert jobs.start_detached(folder, PROGRAM)
    assert jobs.cancel(folder)
    assert jobs.follow(folder, at_most=20, every=0.05).ended
    assert not jobs.cancel(folder)


def test_a_killed_job_died_and_can_be_started_again(folder: Path) -> None:
    jobs.submit(folder, "wait", {})
    jobs.start_detached(folder, PROGRAM)
    assert wait_until(lambda: begun(folder), at_most=20, every=0.05)
    os.kill(int((folder / "lock").read_text()), signal.SIGKILL)
    assert wait_until(lambda: jobs.state(folder).state == "died", at_most=5, every=0.05)
    assert jobs.start_detached(folder, PROGRAM)
    assert wait_until(lambda: jobs.state(folder).state == "running", at_most=20, every=0.05)
    jobs.cancel(folder)
    assert jobs.follow(folder, at_most=20, every=0.05).state == "failed"


def test_a_job_runs_once_however_often_it_is_executed(folder: Path) -> None:
    jobs.submit(folder, "wait", {})
    jobs.start_detached(folder, PROGRAM)
    assert wait_until(lambda: begun(folder), at_most=20, every=0.05)
    second = subprocess.run([*PROGRAM, str(folder)], timeout=30, check=False)
    assert second.returncode == 75
    jobs.cancel(folder)
    assert jobs.follow(folder, at_most=20, every=0.05).ended


def test_following_tells_every_line_once(folder: Path) -> None:
    jobs.submit(folder, "count", {"to": 3})
    jobs.execute(folder, REGISTRY)
    told: list[str] = []
    jobs.follow(folder, at_most=0, tell=lambda entry: told.append(entry.describe()))
    assert told[1:3] == ["count 0: started", "count 0: ok"]
    assert told[-1] == "job: ended well"


def test_a_job_that_never_begins_is_an_error_that_names_its_unit(folder: Path) -> None:
    class Fast:
        at = 0.0

        def now(self) -> float:
            return time.time()

        def monotonic(self) -> float:
            return self.at

        def sleep(self, seconds: float, stop: object) -> bool:
            self.at += seconds
            return False

    jobs.submit(folder, "count", {"to": 1})
    with pytest.raises(Transient, match=r"medialift-job@burst-1\.service"):
        jobs.follow(folder, at_most=1000, clock=Fast())


def test_systemd_starts_and_stops_the_unit_of_the_job(folder: Path) -> None:
    asked: list[list[str]] = []

    def systemctl(argv: Any) -> Completed:
        asked.append(list(argv))
        return Completed(tuple(argv), 0)

    jobs.submit(folder, "count", {"to": 1})
    assert jobs.start(folder, systemctl)
    assert asked[-1] == ["systemctl", "start", "--no-block", "medialift-job@burst-1.service"]
    assert jobs.cancel(folder, systemctl)
    assert asked[-1] == ["systemctl", "stop", "--no-block", "medialift-job@burst-1.service"]
    jobs.execute(folder, REGISTRY)
    assert not jobs.start(folder, systemctl) and not jobs.cancel(folder, systemctl)

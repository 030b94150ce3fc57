"""Programs are run with a deadline, and leave nothing behind."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event, Timer

import pytest

from medialift.errors import Permanent, Transient
from medialift.foundation.process import Completed, run, runner


def test_what_a_program_writes_and_its_exit_code_are_returned():
    done = run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.rc, done.out, done.err, done.ok) == (3, "out\n", "err\n", False)


def test_input_goes_to_its_standard_input_and_env_is_added():
    assert run(["sh", "-c", 'cat; printf "%s" "$COLOUR"'], input="a\n", env={"COLOUR": "red"}).out == "a\nred"


def test_without_input_a_program_that_reads_does_not_hang():
    assert run(["cat"], timeout=5).out == ""


def test_a_missing_program_says_so():
    with pytest.raises(Permanent, match="no-such-program-here"):
        run(["no-such-program-here"])


def test_a_file_that_is_not_a_program_says_so(tmp_path: Path):
    (tmp_path / "notes").write_text("no program")
    with pytest.raises(Permanent, match="may not be run"):
        run([str(tmp_path / "notes")])


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path):
    pid_file = tmp_path / "pid"
    started = time.monotonic()
    with pytest.raises(Transient, match="did not end within"):
        run(["sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait"], timeout=0.3)
    assert time.monotonic() - started < 5
    grandchild = int(pid_file.read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _alive(grandchild):
        time.sleep(0.02)
    assert not _alive(grandchild)


def test_a_program_ends_at_once_when_its_caller_is_stopped():
    stop = Event()
    Timer(0.5, stop.set).start()
    started = time.monotonic()
    with pytest.raises(Transient, match="A program was stopped"):
        run(["sleep", "600"], timeout=600, stop=stop)
    assert time.monotonic() - started < 60


def test_whoever_may_be_stopped_gets_all_that_a_slow_program_writes():
    slowly = 'cat; sleep 0.6; printf "end"'
    assert run(["sh", "-c", slowly], input="beginning, ", stop=Event()).out == "beginning, end"
    with pytest.raises(Transient, match="did not end within"):
        run(["sleep", "600"], timeout=0.5, stop=Event())


def test_checked_turns_a_failure_into_an_error_with_the_last_line_it_wrote():
    with pytest.raises(Permanent, match=r"Plex could not be stopped.*second") as caught:
        run(["sh", "-c", "echo first >&2; echo second. >&2; exit 1"]).checked("Plex could not be stopped")
    assert caught.value.hint == "second"
    assert Completed(("true",), 0).checked("never said").ok


def test_a_runner_carries_its_limits():
    with pytest.raises(Transient):
        runner(timeout=0.1)(["sleep", "5"])


def _alive(pid: int) -> bool:
    try:
        # A zombie that nobody reaped yet is dead for our purpose.
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False

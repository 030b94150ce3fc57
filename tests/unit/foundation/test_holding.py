"""A name is held by one living process at a time; of a dead one nothing is left to clear away."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from medialift.errors import Permanent, Unsafe
from medialift.foundation import holding
from medialift.foundation.holding import Process


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def me() -> Process:
    found = holding.process(os.getpid())
    assert found is not None
    return found


def take(where: Path, by: Process) -> bool:
    return holding.hold("burst-home", by, what="A burst goes on already", where=where)


def test_a_second_process_is_refused_while_the_first_lives(tmp_path: Path, other: subprocess.Popen[bytes]):
    first = holding.process(other.pid)
    assert first is not None
    assert take(tmp_path, first)
    assert not take(tmp_path, first)
    with pytest.raises(Unsafe, match=rf"A burst goes on already: process {other.pid}\..*Wait until it ends"):
        take(tmp_path, me())
    other.kill()
    # Not even waited for by whoever started it: it is dead all the same.
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    assert take(tmp_path, me())


def test_a_process_that_was_given_the_number_of_a_dead_one_is_not_taken_for_it(tmp_path: Path):
    assert take(tmp_path, replace(me(), began=1))
    assert take(tmp_path, me())


def test_a_note_torn_by_a_crash_is_nobody_s(tmp_path: Path):
    (tmp_path / "burst-home.json").write_text('{"pid": 1')
    assert take(tmp_path, me())


def test_the_outermost_process_that_runs_a_program_is_found_from_below():
    script = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    shell = f"'{sys.executable}' -c '{script}'; true"
    with subprocess.Popen(["sh", "-c", shell], stdout=subprocess.PIPE, text=True) as outer:
        assert outer.stdout is not None
        inner = int(outer.stdout.readline())
        assert holding.outermost("sh", inner) == holding.process(outer.pid)
        assert holding.outermost("ansible-playbook", inner) is None
        os.kill(inner, 9)


def test_where_the_system_does_not_tell_nothing_is_found(tmp_path: Path):
    assert holding.process(os.getpid(), tmp_path) is None
    assert holding.outermost("sh", os.getpid(), tmp_path) is None


def test_a_folder_that_cannot_be_written_and_a_bad_name_are_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Permanent, match="cannot be written down"):
        take(tmp_path / "file", me())
    with pytest.raises(Permanent, match="letters, digits"):
        holding.hold("../etc", me(), what="", where=tmp_path)


def test_names_are_held_in_the_user_s_cache():
    assert holding.folder({"XDG_CACHE_HOME": "/var/cache/me"}) == Path("/var/cache/me/medialift/held")
    assert holding.folder({}) == Path.home() / ".cache/medialift/held"

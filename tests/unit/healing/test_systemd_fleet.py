"""Workers as units of systemd, against a `systemctl` that stands in for it and keeps its state in a file."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event, Timer
from typing import Any

import pytest

from medialift.errors import Permanent, Transient
from medialift.foundation import process
from medialift.foundation.process import Completed
from medialift.healing.pipelines import AUDIOBOOKS, BOOKS
from medialift.healing.systemd_fleet import DROP_IN, SystemdFleet, drop_in

# What systemctl 252 answers, as far as it is asked here. A unit that is told to end is deactivating for
# `drains` seconds; 1e9 for one that only a kill ends, and `immortal` not even that.
SYSTEMCTL = """#!{python}
import fnmatch, json, pathlib, sys, time
file = pathlib.Path({state!r})
state = json.loads(file.read_text())
units, now = state["units"], time.time()
words = [one for one in sys.argv[1:] if not one.startswith("-")]
options = [one for one in sys.argv[1:] if one.startswith("-")]
verb, names = words[0], words[1:]
state["asked"].append(sys.argv[1:])
def blank(): return dict(active="inactive", pid=0, restarts=0, result="success", drains=0, ends=0)
for unit in units.values():
    if unit["active"] == "deactivating" and now >= unit["ends"]:
        unit.update(active="failed" if unit.get("killed") else "inactive", pid=0)
code, said = 0, ""
if state.get("away"):
    code, said = 1, "Failed to connect to bus: Connection refused"
elif verb == "list-units":
    shown = [o for o in options if o.startswith("--state=")][0].split("=")[1].split(",")
    for name, unit in units.items():
        if fnmatch.fnmatch(name, names[0]) and unit["active"] in shown:
            print(name, "loaded", unit["active"], "running", "medialift worker that brings books")
elif verb == "show":
    blocks = []
    for name in names:
        unit = units.get(name) or (blank() if state["template"] else None)
        if unit is None:
            blocks.append(f"Id={{name}}\\nLoadState=not-found\\nActiveState=inactive\\nMainPID=0\\nResult=success")
        else:
            blocks.append("\\n".join(["Result=" + unit["result"], f"NRestarts={{unit['restarts']}}",
                f"MainPID={{unit['pid']}}", "Id=" + name, "LoadState=loaded",
                "ActiveState=" + unit["active"]]))
    print("\\n\\n".join(blocks))
elif verb == "daemon-reload":
    state["reloads"] += 1
else:
    unit = units.setdefault(names[0], blank())
    wants = pathlib.Path(state["wants"])
    if not state["template"]:
        code, said = 5, f"Failed to {{verb}} {{names[0]}}: Unit {{names[0]}} not found."
    elif verb == "start":
        if unit["active"] != "active":
            state["pid"] += 1
            unit.update(active="active", pid=state["pid"], result="success", killed=False)
    elif verb == "stop" and unit["active"] in ("active", "activating"):
        unit.update(active="deactivating", ends=now + unit["drains"], result=unit.get("ending", "success"))
    elif verb == "kill":
        if not unit.get("immortal"):
            unit.update(ends=now, result="signal", killed=True)
    elif verb == "enable":
        wants.mkdir(parents=True, exist_ok=True)
        (wants / names[0]).touch()
    elif verb == "disable":
        (wants / names[0]).unlink(missing_ok=True)
file.write_text(json.dumps(state))
if said: print(said, file=sys.stderr)
sys.exit(code)
"""


class Systemd:
    """The stand-in, and a fleet that asks it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "state.json"
        self.units, self.drop_ins = folder / "etc", folder / "run"
        self.drop_ins.mkdir()
        program = folder / "bin" / "systemctl"
        program.parent.mkdir()
        program.write_text(SYSTEMCTL.format(python=sys.executable, state=str(self.file)))
        program.chmod(0o755)
        wants = str(self.units / f"{BOOKS.target}.wants")
        self.put(units={}, asked=[], reloads=0, pid=100, template=True, wants=wants)
        path = f"{program.parent}:{os.environ['PATH']}"
        self.fleet = SystemdFleet(
            BOOKS,
            lambda argv: process.run([str(program), *argv[1:]], timeout=30, env={"PATH": path}),
            host="shelf",
            units=self.units,
            drop_ins=self.drop_ins,
        )

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads(self.file.read_text()))

    def put(self, **values: Any) -> None:
        before = self.state if self.file.exists() else {}
        self.file.write_text(json.dumps(before | values))

    def unit(self, number: int, **values: Any) -> None:
        units = self.state["units"]
        units[f"medialift-books-worker@{number}.service"] |= values
        self.put(units=units)

    def asked(self) -> list[str]:
        """What was asked for that changes something, since the last time."""
        told = [" ".join(one) for one in self.state["asked"] if one[0] not in ("show", "list-units")]
        self.put(asked=[])
        return told

    def run(self, count: int) -> None:
        for number in range(1, count + 1):
            self.fleet.start(self.fleet.enable(number))
        self.asked()


@pytest.fixture
def systemd(tmp_path: Path) -> Systemd:
    return Systemd(tmp_path)


def test_members_are_those_that_are_enabled_or_run_by_number(systemd: Systemd) -> None:
    assert systemd.fleet.members() == []
    systemd.run(10)
    systemd.fleet.disable("shelf@10")
    systemd.fleet.stop("shelf@9", at_most=5)
    systemd.unit(2, restarts=3)
    (systemd.units / f"{BOOKS.target}.wants" / "another@1.service").touch()
    members = systemd.fleet.members()
    assert [one.number for one in members] == list(range(1, 11))
    assert [(one.enabled, one.active) for one in members[7:]] == [(True, True), (True, False), (False, True)]
    assert (members[1].name, members[1].unit) == ("shelf@2", "medialift-books-worker@2.service")
    assert (members[1].pid, members[1].restarts, members[8].pid) == (102, 3, 0)


def test_a_stop_waits_for_the_drain_and_leaves_the_worker_enabled(systemd: Systemd) -> None:
    systemd.run(1)
    systemd.unit(1, drains=0.5)
    assert systemd.fleet.stop("shelf@1", at_most=30)
    assert systemd.asked() == ["stop --no-block medialift-books-worker@1.service"]
    (one,) = systemd.fleet.members()
    assert (one.enabled, one.active) == (True, False)
    assert systemd.fleet.stop("shelf@1", at_most=1)  # it has ended already


def test_what_does_not_drain_in_time_is_killed_with_all_its_processes(systemd: Systemd) -> None:
    systemd.run(1)
    systemd.unit(1, drains=1e9)
    assert not systemd.fleet.stop("shelf@1", at_most=0.3)
    assert systemd.asked()[1:] == ["kill --signal=SIGKILL medialift-books-worker@1.service"]
    assert not systemd.fleet.members()[0].active


def test_a_worker_that_systemd_had_to_kill_itself_has_not_drained(systemd: Systemd) -> None:
    systemd.run(1)
    systemd.unit(1, drains=0.1, ending="timeout")
    assert not systemd.fleet.stop("shelf@1", at_most=30)


def test_one_that_not_even_a_kill_ends_is_told_of(systemd: Systemd) -> None:
    systemd.run(1)
    systemd.unit(1, drains=1e9, immortal=True)
    with pytest.raises(Transient, match=r"waits in the kernel"):
        replace(systemd.fleet, dying=0.3).stop("shelf@1", at_most=0.1)


def test_the_end_of_the_healing_ends_a_wait_and_kills_nothing(systemd: Systemd) -> None:
    systemd.run(1)
    systemd.unit(1, drains=1e9)
    stop = Event()
    Timer(0.5, stop.set).start()
    with pytest.raises(Transient, match="wait"):
        replace(systemd.fleet, stop_waiting=stop).stop("shelf@1", at_most=600)
    assert not any(one.startswith("kill") for one in systemd.asked())


def test_a_start_forgets_that_it_failed_too_often_before(systemd: Systemd) -> None:
    systemd.run(1)
    systemd.fleet.start("shelf@1")
    unit = "medialift-books-worker@1.service"
    assert systemd.asked() == [f"reset-failed {unit}", f"start --no-block {unit}"]


def test_enabling_and_disabling_touches_nothing_that_runs(systemd: Systemd) -> None:
    systemd.run(2)
    systemd.fleet.disable("shelf@2")
    assert [(one.enabled, one.active) for one in systemd.fleet.members()] == [(True, True), (False, True)]
    assert systemd.fleet.enable(3) == "shelf@3"
    assert [(one.enabled, one.active) for one in systemd.fleet.members()][2] == (True, False)


def test_settings_and_release_of_one_worker_stand_in_a_drop_in_of_its_own(systemd: Systemd) -> None:
    systemd.run(2)
    release = Path("/opt/medialift/releases/7")
    systemd.fleet.configure("shelf@1", {"MEDIALIFT_BOOKS__BATCH": "10"}, release)
    written = systemd.drop_ins / "medialift-books-worker@1.service.d" / DROP_IN
    lines = written.read_text().splitlines()[2:]
    assert lines == [
        "[Service]",
        'Environment="MEDIALIFT_BOOKS__BATCH=10"',
        "ExecStart=",
        'ExecStart="/opt/medialift/releases/7/venv/bin/python" -m medialift books work',
    ]
    one, two = systemd.fleet.members()
    assert (one.settings, one.release) == ({"MEDIALIFT_BOOKS__BATCH": "10"}, release)
    assert (two.settings, two.release) == ({}, None)
    systemd.fleet.configure("shelf@1", {"MEDIALIFT_BOOKS__BATCH": "10"}, release)
    assert systemd.asked() == ["daemon-reload"]  # the second time nothing was new
    systemd.fleet.configure("shelf@1", {})
    assert not written.parent.exists()
    systemd.fleet.configure("shelf@1", {})
    assert systemd.asked() == ["daemon-reload"]


def test_what_others_put_beside_the_drop_in_stays(systemd: Systemd) -> None:
    systemd.fleet.configure("shelf@1", {"MEDIALIFT_BOOKS__BATCH": "10"})
    others = systemd.drop_ins / "medialift-books-worker@1.service.d" / "90-mine.conf"
    others.write_text("[Service]\nNice=5\n")
    systemd.fleet.configure("shelf@1", {})
    assert [one.name for one in others.parent.iterdir()] == ["90-mine.conf"]


def test_nothing_gets_out_of_its_place_in_a_unit() -> None:
    text = drop_in({"A": 'x" %i\\ y'}, Path("/opt/with space/%n$1"), ("books", "work"))
    assert 'Environment="A=x\\" %%i\\\\ y"' in text
    assert 'ExecStart="/opt/with space/%%n$1/venv/bin/python" -m' in text
    for settings in ({"A": "x\nExecStartPre=/bin/rm"}, {"A B": "x"}, {"a": "x"}, {"A\nB": "x"}):
        with pytest.raises(Permanent, match="cannot be set"):
            drop_in(settings, None, ())
    with pytest.raises(Permanent, match="absolute"):
        drop_in({}, Path("releases/7"), ())


def test_systemd_itself_takes_a_drop_in(tmp_path: Path) -> None:
    program = tmp_path / "with space %n$1" / "venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.symlink_to(sys.executable)
    unit = tmp_path / "worker.service"
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    (tmp_path / "worker.service.d").mkdir()
    text = drop_in({"A": 'x" %i\\ $y'}, program.parents[2], BOOKS.command)
    (tmp_path / "worker.service.d" / DROP_IN).write_text(text)
    checked = process.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)])
    assert checked.rc == 0 and "worker.service" not in checked.err, checked.err


@pytest.mark.parametrize("name", ["shelf@0", "other@1", "shelf", "shelf@1/../2", "shelf@x", "@1", "shelf@-1"])
def test_a_name_of_no_worker_here_reaches_no_unit(systemd: Systemd, name: str) -> None:
    for act in (systemd.fleet.start, systemd.fleet.disable, lambda one: systemd.fleet.configure(one, {})):
        with pytest.raises(Permanent, match="no such worker"):
            act(name)
    with pytest.raises(Permanent, match="no such worker"):
        systemd.fleet.stop(name, at_most=1)
    with pytest.raises(Permanent, match="counted from 1"):
        systemd.fleet.enable(0)
    assert systemd.asked() == []


def test_a_systemd_that_is_away_may_answer_later_and_a_unit_that_is_missing_will_not(
    systemd: Systemd,
) -> None:
    systemd.put(away=True)
    with pytest.raises(Transient, match="Connection refused"):
        systemd.fleet.members()
    systemd.put(away=False, template=False)
    with pytest.raises(Permanent, match="not found"):
        systemd.fleet.start("shelf@1")
    with pytest.raises(Permanent, match="no such service"):
        systemd.fleet.stop("shelf@2", at_most=1)


def test_without_systemd_it_says_so() -> None:
    def missing(argv: Any) -> Completed:
        return process.run(["/nonexistent/systemctl", *argv[1:]], timeout=5)

    with pytest.raises(Permanent, match="no systemd here"):
        SystemdFleet(BOOKS, missing).members()


def test_a_service_of_which_a_host_has_one_is_number_one_and_stays_the_only_one(systemd: Systemd) -> None:
    fleet = replace(systemd.fleet, pipeline=AUDIOBOOKS)
    systemd.put(wants=str(systemd.units / f"{AUDIOBOOKS.target}.wants"))
    assert fleet.members() == []
    name = fleet.enable(1)
    fleet.start(name)
    (systemd.units / f"{AUDIOBOOKS.target}.wants" / "ssh.service").touch()
    (member,) = fleet.members()
    assert (member.name, member.unit, member.number) == (
        "shelf-audiobooks@1",
        "medialift-audiobooks.service",
        1,
    )
    assert member.enabled and member.active
    with pytest.raises(Permanent, match="one of these only"):
        fleet.enable(2)
    with pytest.raises(Permanent, match="no such worker"):
        fleet.stop("shelf@1", at_most=1)
    fleet.configure(name, {"MEDIALIFT_AUDIOBOOKS__CORES": "1"})
    assert (systemd.drop_ins / "medialift-audiobooks.service.d" / DROP_IN).exists()
    assert fleet.stop(name, at_most=5)

"""The units of a mount as systemd would run them: their command lines are run here, on real mounts."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from medialift.foundation.waiting import wait_until
from medialift.mounts import mountinfo
from tests.mount_world import RealMount

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "roles/rclone_mount"
MOUNT, MONITOR = "rclone.service.j2", "medialift-mount-monitor@.service.j2"


class NamedMount(RealMount):
    """A mount under the name that the role gives it."""

    def flags(self) -> list[str]:
        return [*super().flags(), "--devname", "medialift-media", "--allow-non-empty"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("units") / "a place"  # with a space, as mount points may have
    made.mkdir()
    return made


@pytest.fixture(scope="module")
def units(folder: Path) -> dict[str, str]:
    """The role's units as Ansible writes them, for the mountpoint in the folder."""
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(ROLE / "vars/main.yml")],
        "vars": {
            **yaml.safe_load((ROLE / "defaults/main.yml").read_text()),
            "rclone_mount_mountpoint": str(folder / "mounted"),
            "rclone_mount_bucket": "media",
        },
        "tasks": [
            {"ansible.builtin.template": {"src": str(ROLE / "templates" / name), "dest": str(folder / name)}}
            for name in (MOUNT, MONITOR)
        ],
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    written = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(folder / "play.yml")],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_PYTHON_INTERPRETER": sys.executable},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert written.returncode == 0, written.stdout + written.stderr
    return {name: (folder / name).read_text() for name in (MOUNT, MONITOR)}


@pytest.fixture
def mount(folder: Path) -> Iterator[NamedMount]:
    there = NamedMount(folder)
    there.fill("Movies/a.mkv")
    there.up()
    yield there
    there.down()


def command(unit: str, key: str) -> list[str]:
    """The words of an Exec line, as systemd hands them over."""
    (line,) = re.findall(rf"^{key}=-?(.*)$", unit, re.M)
    return [word.replace("$$", "$").replace("%%", "%") for word in shlex.split(line)]


def count(mount: RealMount) -> int:
    return [str(one.mountpoint) for one in mountinfo.mounts()].count(str(mount.place))


def test_before_a_start_every_dead_mount_is_taken_away(mount: NamedMount, units: dict[str, str]) -> None:
    above = NamedMount(mount.place.parent)
    above.up()
    try:
        assert wait_until(lambda: count(mount) == 2, at_most=20, every=0.05)
        mount.kill()
        above.kill()
        subprocess.run(command(units[MOUNT], "ExecStartPre"), check=True, timeout=20)
        assert count(mount) == 0
    finally:
        above.down()


def test_somebody_elses_mount_is_left_alone(folder: Path, units: dict[str, str]) -> None:
    theirs = RealMount(folder)
    theirs.fill("a.mkv")
    theirs.up()
    try:
        subprocess.run(command(units[MOUNT], "ExecStartPre"), check=True, timeout=20)
        assert count(theirs) == 1
    finally:
        theirs.down()


@pytest.mark.parametrize(("result", "left"), [("timeout", 0), ("signal", 1)])
def test_a_stop_takes_the_mount_away_and_a_crash_leaves_it_to_the_restart(
    mount: NamedMount, units: dict[str, str], result: str, left: int
) -> None:
    mount.kill()
    after = command(units[MOUNT], "ExecStopPost")
    subprocess.run(after, check=True, timeout=20, env={**os.environ, "SERVICE_RESULT": result})
    assert count(mount) == left


def test_systemd_ends_the_program_before_the_mount(units: dict[str, str]) -> None:
    assert not re.search(r"^ExecStop=", units[MOUNT], re.M)  # that would run before SIGTERM
    assert re.search(r"^KillMode=mixed$", units[MOUNT], re.M)


def test_what_rclone_ends_with_when_told_to_is_no_failure(mount: NamedMount, units: dict[str, str]) -> None:
    assert mount.rclone is not None
    mount.rclone.terminate()
    (success,) = re.findall(r"^SuccessExitStatus=(\d+)$", units[MOUNT], re.M)
    assert mount.rclone.wait(20) == int(success)


def test_the_monitor_sees_the_hosts_own_mounts_and_waits_for_no_stuck_reader(units: dict[str, str]) -> None:
    # systemd.exec(5): each of these gives a unit a mount namespace, from which nothing can be unmounted.
    namespaced = r"^(Private|Protect|ReadOnlyPaths|ReadWritePaths|InaccessiblePaths|Bind|Temporary|Mount)"
    assert not re.search(namespaced, units[MONITOR], re.M)
    assert re.search(r"^KillMode=process$", units[MONITOR], re.M)

"""The modules mount_health and mount_monitor, as Ansible runs them, with real mounts and real monitors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from medialift.foundation.waiting import wait_until
from medialift.mounts import published
from medialift.mounts.verdict import STATES
from tests.mount_world import RCLONE, StoreMount

Run = Callable[..., dict[str, Any]]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[StoreMount]:
    there = StoreMount(tmp_path)
    there.fill(*(f"Movies/{n}.mkv" for n in range(6)), size=200_000)
    there.up()
    yield there
    there.down()


# mount_health


def test_a_mount_that_reads_is_healthy(mount: StoreMount, run_module: Run) -> None:
    result = run_module("mount_health", {"mountpoint": str(mount.place), "sample": 3})
    assert (result["state"], result["changed"], result["differing"]) == ("healthy", False, [])
    assert len(result["reads"]) == 3


def test_one_that_lists_but_does_not_read_fails_and_says_why(mount: StoreMount, run_module: Run) -> None:
    mount.store.mode = "error"  # type: ignore[attr-defined]
    result = run_module("mount_health", {"mountpoint": str(mount.place), "deadline": 20})
    assert result["failed"] and result["kind"] == "unsafe"
    assert result["state"] == "degraded" and result["reason"] in result["msg"]
    assert result["differing"]


def test_one_whose_program_died_is_stale(mount: StoreMount, run_module: Run) -> None:
    mount.kill()
    result = run_module("mount_health", {"mountpoint": str(mount.place)})
    assert result["failed"] and result["state"] == "stale"


def test_one_of_another_source_is_foreign(mount: StoreMount, run_module: Run) -> None:
    result = run_module("mount_health", {"mountpoint": str(mount.place), "source": "medialift-media"})
    assert result["failed"] and result["state"] == "foreign"


def test_a_file_that_is_not_there_is_named_and_condemns_nothing(mount: StoreMount, run_module: Run) -> None:
    there = [str(mount.place / "Movies" / f"{n}.mkv") for n in range(6)]
    gone = str(mount.place / "gone.mkv")
    result = run_module(
        "mount_health", {"mountpoint": str(mount.place), "files": [*there, gone], "sample": 7}
    )
    assert (result["state"], result["differing"]) == ("healthy", [gone])


def test_what_is_read_is_compared_with_the_store_itself(
    mount: StoreMount, run_module: Run, tmp_path: Path
) -> None:
    config = tmp_path / "rclone.conf"
    config.write_text(f"[web]\ntype = http\nurl = http://127.0.0.1:{mount.store.server_port}\n")
    remote = {"rclone": str(RCLONE), "config": str(config), "remote": "web:"}
    options = {"mountpoint": str(mount.place), "remote": remote}
    assert (run_module("mount_health", options)["state"], run_module("mount_health", options)["note"]) == (
        "healthy",
        "",
    )
    # Another store under the same names: what the mount shows is not what is there.
    other = tmp_path / "other"
    for number in range(6):
        file = other / "Movies" / f"{number}.mkv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(200_000))
    config.write_text(f"[web]\ntype = alias\nremote = {other}\n")
    result = run_module("mount_health", options)
    assert result["failed"] and result["state"] == "degraded" and result["differing"]


def test_nothing_mounted_fails_but_in_check_mode_it_is_only_predicted(
    tmp_path: Path, run_module: Run
) -> None:
    options = {"mountpoint": str(tmp_path)}
    assert run_module("mount_health", options)["state"] == "absent"
    assert run_module("mount_health", options)["failed"]
    predicted = run_module("mount_health", options, check=True)
    assert predicted["predicted"] and "failed" not in predicted


def test_an_empty_mount_fails_unless_that_is_what_was_agreed(tmp_path: Path, run_module: Run) -> None:
    options = {"mountpoint": str(tmp_path), "filesystem": ""}
    assert run_module("mount_health", options)["state"] == "empty"
    assert "failed" not in run_module("mount_health", {**options, "allow_empty": True})


def test_its_documentation_names_every_state(load_module: Callable[[str], Any]) -> None:
    told = yaml.safe_load(load_module("mount_health").RETURN)["state"]["description"]
    assert all(f"V({state})" in " ".join(told) for state in STATES)


# mount_monitor


@pytest.fixture
def monitor(mount: StoreMount, tmp_path: Path, run_module: Run) -> Iterator[Run]:
    """monitor("started", …) with the options of this mount filled in; none is left running."""

    def run(state: str, *, check: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
        given = {
            "name": "media",
            "state": state,
            "folder": str(tmp_path / "mounts"),
            "jobs_folder": str(tmp_path / "jobs"),
            "supervisor": "process",
            "mountpoint": str(mount.place),
            "sample": 1,
            "deadline": 5,
            "every": 0.2,
            "grace": 0,
            "threshold": 2,
            "poll": 0.1,
            "timeout": 30,
        }
        return run_module("mount_monitor", {**given, **options}, check=check, diff=diff)

    yield run
    run("stopped")


def test_started_it_finds_the_mount_healthy_and_tells_its_history(monitor: Run) -> None:
    first = monitor("started", diff=True)
    assert (first["changed"], first["running"]) == (True, True)
    assert first["diff"]["before"] == {"running": False} and first["diff"]["after"]["running"]
    result = monitor("healthy")
    assert result["changed"] is False
    assert result["status"]["state"] == "healthy" and result["status"]["failures"] == 0
    assert [line["event"] for line in result["history"]][:2] == ["started", "probe"]


def test_a_second_start_changes_nothing_and_other_options_start_it_anew(monitor: Run) -> None:
    monitor("started")
    again = monitor("started", diff=True)
    assert again["changed"] is False and again["diff"]["before"] == again["diff"]["after"]
    pid = monitor("healthy")["status"]["pid"]
    assert monitor("started", check=True, every=0.3)["changed"] is True
    assert monitor("healthy")["status"]["pid"] == pid  # it was only predicted
    changed = monitor("started", every=0.3, diff=True)
    assert changed["changed"] is True
    assert changed["diff"]["before"]["options"]["every"] == 0.2
    assert changed["diff"]["after"]["options"]["every"] == 0.3
    assert monitor("healthy")["status"]["pid"] != pid


def test_a_monitor_of_an_older_release_is_started_anew(monitor: Run, tmp_path: Path) -> None:
    monitor("started", every=3600)
    told = monitor("healthy")["status"]
    file = tmp_path / "mounts/media/state.json"
    old = published.read(file)
    assert old is not None
    published.Published(**{**vars(old), "release": "0.0.1"}).write(file)
    assert monitor("started", every=3600)["changed"] is True
    assert monitor("healthy")["status"]["release"] == told["release"]


def test_check_mode_starts_nothing_and_writes_nothing(monitor: Run, tmp_path: Path) -> None:
    assert monitor("started", check=True)["changed"] is True
    assert monitor("stopped", check=True)["changed"] is False
    waiting = monitor("healthy", check=True)
    assert (waiting["changed"], waiting["predicted"], waiting["running"]) == (False, True, False)
    assert not (tmp_path / "mounts").exists()


def test_stopped_it_is_gone_and_stopped_again_nothing_changes(monitor: Run) -> None:
    monitor("started")
    assert monitor("stopped", check=True)["changed"] is True
    assert monitor("stopped")["changed"] is True
    result = monitor("stopped")
    assert (result["changed"], result["running"]) == (False, False)
    assert result["history"][-1]["event"] == "stopped"


def test_waiting_for_a_mount_that_stays_ill_fails_and_says_what_it_is(
    mount: StoreMount, monitor: Run
) -> None:
    mount.kill()
    monitor("started")
    result = monitor("healthy", timeout=1.5)
    assert result["failed"] and result["kind"] == "unsafe" and "stale" in result["msg"]


def test_it_waits_until_the_mount_is_healthy(mount: StoreMount, monitor: Run) -> None:
    mount.store.mode = "error"  # type: ignore[attr-defined]
    monitor("started")
    assert monitor("healthy", timeout=1)["failed"]
    mount.store.mode = "ok"  # type: ignore[attr-defined]
    assert monitor("healthy")["status"]["state"] == "healthy"


def test_without_a_monitor_there_is_nothing_to_wait_for(monitor: Run) -> None:
    result = monitor("healthy", timeout=1)
    assert result["failed"] and "No monitor of this mount runs" in result["msg"]


def test_a_monitor_is_stopped_at_once_while_its_probe_hangs(
    mount: StoreMount, monitor: Run, tmp_path: Path
) -> None:
    mount.store.mode = "hang"  # type: ignore[attr-defined]
    monitor("started", deadline=600)
    place = f"--reader-of={mount.place}".encode()

    def reads() -> bool:
        return any(
            place in (process / "cmdline").read_bytes()
            and "request_wait_answer" in (process / "wchan").read_text()
            for process in Path("/proc").glob("[0-9]*")
            if process.exists()
        )

    assert wait_until(_without_races(reads), at_most=20, every=0.1)
    assert monitor("stopped")["changed"] is True  # in 30 s at most, of the 600 that the probe has
    assert published.read(tmp_path / "mounts/media/state.json").pid == 0  # type: ignore[union-attr]


def _without_races(look: Callable[[], bool]) -> Callable[[], bool]:
    """Processes end while one looks."""

    def again() -> bool:
        try:
            return look()
        except OSError:
            return False

    return again


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "Media"}, "no name of a mount"),
        ({"recover": True}, "unit"),
        ({"listen": "0.0.0.0:9816"}, "loopback"),
        ({"threshold": 0}, "threshold"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_started(
    run_module: Run, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    given = {"name": "media", "mountpoint": "/mnt/media", "folder": str(tmp_path / "mounts"), **options}
    for check in (True, False):
        result = run_module("mount_monitor", {**given, "supervisor": "process"}, check=check)
        assert result["failed"] and said in result["msg"] and result["kind"] == "permanent"
    assert not (tmp_path / "mounts").exists()

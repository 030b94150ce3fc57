"""The module host_logs, as a playbook uses it: logs out, secrets not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.logs_world import Opened
from tests.store_world import StoreWorld

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def store(store_of_test: StoreWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoreWorld:
    """The store that this host's settings name."""
    settings = tmp_path / "medialift.toml"
    settings.write_text(
        f'[store]\nendpoint = "{store_of_test.store.endpoint}"\nregion = "{store_of_test.store.region}"\n'
        f'bucket = "{store_of_test.bucket}"\naccess_key = "{store_of_test.store.access_key}"\n'
        f'secret_key = "{store_of_test.store.secret_key}"\n'
    )
    monkeypatch.setenv("MEDIALIFT_CONFIG", str(settings))
    return store_of_test


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "plex.log"
    path.parent.mkdir()
    return path


def test_logs_go_to_the_store_without_the_secrets_of_the_settings(
    store: StoreWorld, log: Path, run_module: Run, tmp_path: Path
) -> None:
    log.write_text(f"asked with {store.store.secret_key} and X-Plex-Token=abcdefgh12345, mine is hunter22\n")
    told = run_module("host_logs", {"name": "burst", "files": [str(log)], "secrets": ["hunter22"]})
    assert (told["changed"], told["path"], told["problems"]) == (True, "", [])
    assert told["url"] == f"s3://{store.bucket}/plex/logs/burst.tar.zst"
    found = Opened(store.content("plex/logs/burst.tar.zst"), tmp_path / "out")
    assert len(found.told) == told["members"]
    assert "asked with" in found.of_file(log)
    for secret in (store.store.secret_key, "abcdefgh12345", "hunter22"):
        assert secret not in found.text


def test_what_the_host_says_about_itself_comes_with_them(
    store: StoreWorld, log: Path, run_module: Run, tmp_path: Path
) -> None:
    log.write_text("fine\n")
    told = run_module("host_logs", {"name": "x", "files": [str(log)], "folder": str(tmp_path / "kept")})
    found = Opened(Path(told["path"]), tmp_path / "out")
    assert f"{store.bucket}" in found.members["host/settings.json"]
    assert "Python: 3." in found.members["host/versions.txt"]
    assert {"host/mounts.txt", "host/units.txt", "host/disk.txt"} <= {one["name"] for one in found.told}
    assert told["missing"] == list(found.missing())


def test_logs_may_stay_on_the_host(store: StoreWorld, log: Path, run_module: Run, tmp_path: Path) -> None:
    log.write_text("fine\n")
    told = run_module("host_logs", {"name": "x", "files": [str(log)], "folder": str(tmp_path / "kept")})
    assert told["url"] == told["path"] == str(tmp_path / "kept" / "x.tar.zst")
    assert Path(told["url"]).stat().st_size == told["bytes"]
    assert Path(told["url"]).stat().st_mode & 0o077 == 0
    assert store.keys() == []


def test_a_store_that_refuses_does_not_cost_the_copy_on_the_host(
    store: StoreWorld, log: Path, run_module: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log.write_text("fine\n")
    wanted = {"name": "x", "files": [str(log)], "folder": str(tmp_path / "kept"), "store": True}
    with store.faults.active("status403"):
        told = run_module("host_logs", wanted)
    assert not told.get("failed") and told["url"] == told["path"]
    # Where a test before this one loaded the controller's half of Ansible, a warning goes to the terminal.
    warned = str(told.get("warnings", "")) + capfd.readouterr().err
    assert "refuses access" in told["problems"][0] and "refuses access" in warned
    assert Opened(Path(told["path"]), tmp_path / "out").of_file(log) == "fine\n"
    assert run_module("host_logs", wanted)["url"] == f"s3://{store.bucket}/plex/logs/x.tar.zst"


def test_check_mode_predicts_and_writes_nothing(store: StoreWorld, log: Path, run_module: Run) -> None:
    log.write_text("fine\n")
    told = run_module("host_logs", {"name": "x", "files": [str(log)]}, check=True)
    assert (told["changed"], told["predicted"]) == (True, True)
    assert store.keys() == []


def test_without_a_store_it_says_what_to_set(
    tmp_path: Path, run_module: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "medialift.toml"
    empty.write_text("")
    monkeypatch.setenv("MEDIALIFT_CONFIG", str(empty))
    told = run_module("host_logs", {"name": "x"})
    assert (told["failed"], told["kind"], told["subject"]) == (True, "permanent", "store.bucket")


def test_a_store_that_refuses_is_a_failure_and_leaves_nothing_behind(
    store: StoreWorld, log: Path, run_module: Run
) -> None:
    log.write_text("fine\n")
    with store.faults.active("status403"):
        told = run_module("host_logs", {"name": "x", "files": [str(log)]})
    assert (told["failed"], told["kind"]) == (True, "permanent")
    assert store.keys() == [] and store.unfinished_uploads() == []

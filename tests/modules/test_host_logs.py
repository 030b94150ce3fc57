"""The module host_logs, as a playbook uses it: logs out, secrets not."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from medialift.foundation import archive
from tests.store_world import StoreWorld, store_world

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def running() -> Iterator[StoreWorld]:
    with store_world() as world:
        yield world


@pytest.fixture
def store(running: StoreWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreWorld]:
    """The store that this host's settings name."""
    settings = tmp_path / "medialift.toml"
    settings.write_text(
        f'[store]\nendpoint = "{running.store.endpoint}"\nregion = "{running.store.region}"\n'
        f'bucket = "{running.bucket}"\naccess_key = "{running.store.access_key}"\n'
        f'secret_key = "{running.store.secret_key}"\n'
    )
    monkeypatch.setenv("MEDIALIFT_CONFIG", str(settings))
    yield running
    running.empty()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "plex.log"
    path.parent.mkdir()
    return path


def unpacked(content: bytes, into: Path) -> str:
    archive.extract(io.BytesIO(content), into)
    return "".join(one.read_text() for one in into.rglob("*.log"))


def test_logs_go_to_the_store_without_the_secrets_of_the_settings(
    store: StoreWorld, log: Path, run_module: Run, tmp_path: Path
) -> None:
    log.write_text(f"asked with {store.store.secret_key} and X-Plex-Token=abcdefgh12345, mine is hunter22\n")
    told = run_module("host_logs", {"name": "burst", "files": [str(log)], "secrets": ["hunter22"]})
    assert (told["changed"], told["members"]) == (True, 1)
    assert told["url"] == f"s3://{store.bucket}/plex/logs/burst.tar.zst"
    text = unpacked(store.content("plex/logs/burst.tar.zst"), tmp_path / "out")
    assert "asked with" in text
    assert not any(secret in text for secret in (store.store.secret_key, "abcdefgh12345", "hunter22"))


def test_logs_may_stay_on_the_host(store: StoreWorld, log: Path, run_module: Run, tmp_path: Path) -> None:
    log.write_text("fine\n")
    told = run_module("host_logs", {"name": "x", "files": [str(log)], "folder": str(tmp_path / "kept")})
    assert told["url"] == str(tmp_path / "kept" / "x.tar.zst")
    assert Path(told["url"]).stat().st_size == told["bytes"]
    assert Path(told["url"]).stat().st_mode & 0o077 == 0
    assert store.keys() == []


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

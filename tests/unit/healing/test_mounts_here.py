"""How the mounts of a host stand reaches the ledger, where all hosts are seen together."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from medialift.healing.mounts_here import mounts_here
from medialift.mounts.published import Published
from medialift.queueing import mount_states
from medialift.queueing.database import Database

MEDIA = Published(
    "media", "/srv/media", "healthy", at=1_796_040_060.0, since=1_796_040_000.0, started_at=1.0, pid=7
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    publish(tmp_path, MEDIA)
    return tmp_path


def publish(folder: Path, told: Published) -> None:
    (folder / told.name).mkdir(exist_ok=True)
    told.write(folder / told.name / "state.json")


def listed(database: Database, host: str, folder: Path) -> list[mount_states.MountState]:
    with database.engine.begin() as connection:
        mount_states.record(connection, host, mounts_here(host, folder))
        return mount_states.listed(connection)


def test_what_a_monitor_published_is_in_the_ledger_with_its_times(database, folder):
    (one,) = listed(database, "home", folder)
    assert (one.host, one.point, one.name, one.state) == ("home", "/srv/media", "media", "healthy")
    assert one.since == datetime.fromtimestamp(1_796_040_000, UTC)
    assert one.at > one.since and one.detail["monitored"] is True


def test_a_later_look_replaces_the_one_before_and_one_that_is_gone_is_forgotten(database, folder):
    publish(folder, replace(MEDIA, name="books", mountpoint="/srv/books"))
    listed(database, "home", folder)
    publish(folder, replace(MEDIA, state="hung", reason="a read with token=abcdefgh hangs", failures=3))
    (folder / "books" / "state.json").unlink()
    (one,) = listed(database, "home", folder)
    assert (one.state, one.detail["failures"]) == ("hung", 3) and "abcdefgh" not in one.detail["reason"]


def test_hosts_do_not_forget_the_mounts_of_each_other(database, folder, tmp_path_factory):
    listed(database, "home", folder)
    nothing = tmp_path_factory.mktemp("nothing")
    assert [one.host for one in listed(database, "instance", nothing)] == ["home"]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"name": "x"}', '{"name": "x", "mountpoint": "/x", "at": "noon"}',
     '{"name": "x", "mountpoint": "/x", "at": 1e300}'],
    ids=["empty", "torn", "a list", "half", "no time", "a time that never comes"],
)  # fmt: skip
def test_a_damaged_file_is_as_none(folder, content):
    (folder / "media" / "state.json").write_text(content)
    (folder / "Not A Name").mkdir()
    assert mounts_here("home", folder) == []


def test_a_host_without_monitors_has_no_mounts(tmp_path):
    assert mounts_here("home", tmp_path / "absent") == []

"""The module that imports, run as Ansible runs it: a real job, against a server that behaves as Plex does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from medialift.plex import database, remap
from sandbox.plex.builder import LibraryBuilder
from sandbox.plex.schema import NEW_VERSION, connect_as_plex
from tests.plex_world import ROOT, PlexWorld
from tests.restore_world import pack, path_of

Module = Callable[..., dict[str, Any]]

# Plex's unit, for a host without systemd: its state is whether the process lives.
SYSTEMCTL = """#!{python}
import json, os, signal, subprocess, sys, pathlib
home = pathlib.Path({home!r})
unit = json.loads((home / "unit.json").read_text())
pid = int((home / "pid").read_text())
def alive():
    try:
        return " Z " not in pathlib.Path(f"/proc/{{pid}}/stat").read_text()
    except FileNotFoundError:
        return False
verb = sys.argv[1]
if verb == "show":
    print("LoadState=loaded", "ActiveState=" + ("active" if alive() else "inactive"), sep="\\n")
elif verb == "stop" and alive():
    os.kill(pid, signal.SIGTERM)
elif verb == "start" and not alive():
    log = (home / "plex.log").open("ab")
    child = subprocess.Popen(
        unit["argv"], cwd=unit["cwd"], env={{**os.environ, **unit["env"]}}, stdout=log, stderr=log,
        stdin=subprocess.DEVNULL, start_new_session=True,
    )
    (home / "pid").write_text(str(child.pid))
"""


class HomeWorld:
    """A home whose Plex is a unit, its settings file, and archives of bursts made from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plex = PlexWorld(folder)
        self.plex.library(movies=3, tracks=2, photos=0)
        (self.plex.media / "Photos").mkdir()
        (folder / "bin").mkdir()
        systemctl = folder / "bin" / "systemctl"
        systemctl.write_text(SYSTEMCTL.format(python=sys.executable, home=str(folder)))
        systemctl.chmod(0o755)
        sqlite = folder / "bin" / "Plex SQLite"
        sqlite.write_text(
            f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            "from sandbox.plex.shell import main\nsys.exit(main(sys.argv[1:]))\n"
        )
        sqlite.chmod(0o755)
        unit = {
            "argv": [sys.executable, "-m", "sandbox.plex"],
            "cwd": str(ROOT),
            "env": {
                "STANDIN_DATA": str(self.plex.data),
                "STANDIN_VERSION": NEW_VERSION,
                "STANDIN_HOST": "127.0.0.1",
                "STANDIN_PORT": str(self.plex.port),
                "STANDIN_CONTROL_PORT": str(self.plex.control_port),
                "STANDIN_PLEX_TV": self.plex.plex_tv.url,
                "STANDIN_PACE": "0.02",
            },
        }
        (folder / "unit.json").write_text(json.dumps(unit))
        self.config = folder / "medialift.toml"
        self.config.write_text(
            f"""
[plex]
url = "{self.plex.url}"
unit = "plex.service"
data = "{self.plex.data}"
container = ""
sqlite = ["{sqlite}"]

[runtime]
free_space = "1 MB"
"""
        )
        self.config.chmod(0o600)
        self.reference = database.watch_state(self.plex.database)

    def up(self) -> None:
        self.plex.up()
        (self.folder / "pid").write_text(str(self.plex.process.pid))
        self.plex.server().wait_ready(at_most=20, every=0.1)

    def burst(self, name: str = "burst", forward: dict[str, str] | None = None) -> Path:
        """An archive with one film more than home has."""
        forward = forward or {str(self.plex.media): "/cloud/media"}
        cloud = self.folder / f"cloud-{name}"
        shutil.copytree(self.plex.data, cloud, ignore=shutil.ignore_patterns(".medialift", "Cache", "*.pid"))
        with LibraryBuilder.in_folder(cloud) as library:
            library.add_movie(1, self.plex.movie(9), "Film 9", 2001)
        (cloud / "Preferences.xml").unlink(missing_ok=True)
        there = cloud / "Plug-in Support" / "Databases" / database.LIBRARY
        remap.apply(remap.plan(there, forward), backup=False)
        told = {
            "format": 1,
            "kind": "burst",
            "library": "home",
            "created": "2027-01-15T08:00:00Z",
            "plex_version": NEW_VERSION,
            "machine": "",
            "schema": database.schema(there).to_dict(),
            "sections": [section.to_manifest() for section in database.sections(there)],
            "path_map": {"forward": forward},
            "watch_state": {},
            "reference": {"watch_state": vars(self.reference)},
            "contents": ["databases", "metadata", "media"],
        }
        return path_of(pack(cloud, self.folder / f"{name}.tar.zst", told))

    def options(self, **more: Any) -> dict[str, Any]:
        return {
            "config": str(self.config),
            "jobs_folder": str(self.folder / "jobs"),
            "supervisor": "process",
            "timeout": 90,
            "poll": 0.1,
            "ready": 30,
            **more,
        }

    def listed(self) -> dict[str, int]:
        """What the server itself lists."""
        api = self.plex.server().plexapi()
        return {section.title: section.totalSize for section in api.library.sections()}

    def down(self) -> None:
        pid = int((self.folder / "pid").read_text()) if (self.folder / "pid").exists() else 0
        self.plex.down()
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HomeWorld]:
    world = HomeWorld(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:/usr/bin:/bin")
    yield world
    world.down()


def test_an_archive_is_predicted_imported_found_in_place_and_taken_back(run_module: Module, home: HomeWorld):
    home.up()
    archive = str(home.burst())
    assert home.listed() == {"Movies": 3, "Music": 1, "Photos": 0}

    predicted = run_module("plex_db_import", home.options(archive=archive), check=True, diff=True)
    assert (predicted["changed"], predicted["outcome"]) == (True, "predicted"), predicted
    assert predicted["diff"] == {
        "before": {"Movies": 3, "Music": 1, "Photos": 0},
        "after": {"Movies": 4, "Music": 1, "Photos": 0},
    }
    assert home.listed() == {"Movies": 3, "Music": 1, "Photos": 0} and not (home.folder / "jobs").exists()

    done = run_module("plex_db_import", home.options(archive=archive), diff=True)
    assert (done.get("changed"), done.get("outcome")) == (True, "imported"), done
    assert done["diff"] == predicted["diff"] and not done["rolled_back"]
    assert home.listed() == {"Movies": 4, "Music": 1, "Photos": 0}
    assert home.plex.server().preferences()["autoEmptyTrash"].value in ("0", "false")
    assert {phase["outcome"] for phase in done["phases"]} == {"ok"}

    again = run_module("plex_db_import", home.options(archive=archive))
    assert (again["changed"], again["outcome"]) == (False, "unchanged")
    assert not run_module("plex_db_import", home.options(archive=archive), check=True)["changed"]

    back = {key: value for key, value in home.options(state="rolled_back").items() if key != "ready"}
    assert run_module("plex_db_import", back, check=True)["changed"]
    assert run_module("plex_db_import", back)["changed"]
    assert home.listed() == {"Movies": 3, "Music": 1, "Photos": 0}
    assert not run_module("plex_db_import", back)["changed"]


def test_an_import_that_does_not_verify_fails_and_says_that_it_was_put_back(
    run_module: Module, home: HomeWorld
):
    home.up()
    elsewhere = {str(home.plex.media): "/cloud/media"}
    archive = home.burst("lost", elsewhere)
    shutil.move(home.plex.media / "Music", home.plex.media / "Music is on another disk")
    told = run_module("plex_db_import", home.options(archive=str(archive)))
    assert told["failed"] and told["rolled_back"], told
    assert "was put back" in told["msg"] and told["kind"] == "unsafe"
    assert home.listed() == {"Movies": 3, "Music": 1, "Photos": 0}


def test_a_refusal_leaves_plex_running_untouched(run_module: Module, home: HomeWorld):
    home.up()
    archive = str(home.burst())
    con = connect_as_plex(home.plex.database)
    con.execute("INSERT INTO metadata_item_settings (account_id, guid, view_count) VALUES (1, 'plex://x', 1)")
    con.close()
    for check in (True, False):
        told = run_module("plex_db_import", home.options(archive=archive), check=check)
        assert told["failed"] and "changed since the export" in told["msg"]
    assert (told["kind"], told["rolled_back"]) == ("unsafe", False)
    assert run_module("plex_db_import", home.options(archive=archive, accept_loss=True))["changed"]


def test_what_is_not_there_yet_is_predicted_in_check_mode(
    run_module: Module, home: HomeWorld, tmp_path: Path
):
    archive = str(home.burst())
    (tmp_path / "pid").write_text("0")
    told = run_module("plex_db_import", home.options(archive=archive), check=True)
    assert (told["changed"], told["predicted"]) == (True, True) and "cannot be told now" in told["reason"]
    shutil.rmtree(home.plex.data)
    told = run_module("plex_db_import", home.options(archive=archive), check=True)
    assert (told["changed"], told["predicted"]) == (True, True)
    assert not run_module("plex_db_import", home.options(state="rolled_back"), check=True)["changed"]


def test_a_library_is_injected_once_into_an_empty_plex(run_module: Module, home: HomeWorld):
    archive = str(home.burst(forward={str(home.plex.media): "/home/media"}))
    shutil.rmtree(home.plex.data)
    home.plex.data.mkdir()
    options = {
        **home.options(state="injected", archive=archive),
        "path_map": {"/home/media": "/cloud/media"},
        "plex_version": NEW_VERSION,
    }
    assert run_module("plex_db_import", options, check=True)["changed"]
    done = run_module("plex_db_import", options)
    assert (done.get("changed"), done.get("outcome")) == (True, "injected"), done
    assert done["manifest"]["plex_version"] == NEW_VERSION
    assert done["remap"]["changes"] == 3 + 6
    assert {root for section in done["sections"] for root in section["locations"]} == {
        "/cloud/media/Movies",
        "/cloud/media/Music",
        "/cloud/media/Photos",
    }
    assert not run_module("plex_db_import", options)["changed"]
    assert not run_module("plex_db_import", options, check=True)["changed"]
    told = run_module("plex_db_import", {**options, "archive": "/none.tar.zst"})
    assert told["failed"] and "no such archive" in told["msg"]


def test_wrong_options_are_named(run_module: Module, home: HomeWorld):
    told = run_module("plex_db_import", home.options(archive="newest"))
    assert told["failed"] and "no store is configured" in told["msg"]
    told = run_module("plex_db_import", home.options(archive="newest", archive_required=False))
    assert told["failed"] and "store" in told["msg"]
    told = run_module("plex_db_import", home.options(config=str(home.folder / "none.toml")))
    assert told["failed"] and "no such settings file" in told["msg"]

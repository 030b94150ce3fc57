"""The logs of a burst come out by two ways; one that fails neither costs the other nor is hushed up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from medialift.foundation import journal
from sandbox.settings import ROOT
from sandbox.settings import SECRET_KEY as SECRET
from tests.logs_world import Opened
from tests.store_world import StoreWorld, store_world


@pytest.fixture(scope="module")
def running() -> Iterator[StoreWorld]:
    with store_world() as world:
        yield world


@pytest.fixture
def store(running: StoreWorld) -> Iterator[StoreWorld]:
    yield running
    running.empty()


@dataclass
class Machine:
    """The machine of a burst, which is this host, and the controller, which is it too."""

    folder: Path
    store: StoreWorld

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    def play(self, *parts: str, **values: Any) -> subprocess.CompletedProcess[str]:
        """Play parts of the role on a machine of the user's own, which has these values."""
        self.artifacts.mkdir()
        (self.folder / "medialift.toml").write_text(
            f'[store]\nendpoint = "{self.store.store.endpoint}"\nregion = "{self.store.store.region}"\n'
            f'bucket = "{self.store.bucket}"\naccess_key = "{self.store.store.access_key}"\n'
            f'secret_key = "{SECRET}"\n[plex]\nurl = "http://127.0.0.1:9"\n'
        )
        data = self.folder / "config/Library/Application Support/Plex Media Server"
        (data / "Logs").mkdir(parents=True)
        (data / "Logs/Plex Media Server.log").write_text(
            f"scanned, said {SECRET} and X-Plex-Token=abcdefgh12\n"
        )
        given = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "plex_burst_provider": "existing",
            "plex_burst_artifacts": str(self.artifacts),
            "plex_burst_config_directory": str(self.folder / "config"),
            "plex_burst_plan": {"run": "abc123", "reference": None, "path_map": {}, "plex_version": "1"},
            "plex_burst_logs_store_timeout": "1",
            "__plex_burst_logs_folder": str(self.folder / "machine/logs"),
        }
        book = [
            {
                "name": "The machine",
                "hosts": "machine",
                "gather_facts": False,
                "tasks": [_part(part) for part in parts if part != "conclude"],
            },
            {
                "name": "The controller",
                "hosts": "localhost",
                "gather_facts": False,
                "tasks": [_part("conclude")] if "conclude" in parts else [],
            },
        ]
        (self.folder / "play.json").write_text(json.dumps(book))
        hosts = {"localhost": given, "machine": {**given, **values}}
        (self.folder / "hosts.json").write_text(
            json.dumps({"all": {"hosts": hosts, "children": {"plex_burst": {"hosts": {"machine": {}}}}}})
        )
        return subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"),
                *("-i", str(self.folder / "hosts.json"), str(self.folder / "play.json")),
                # Values of the role's own are not to be changed by an inventory.
                *(
                    "--extra-vars",
                    json.dumps({"__plex_burst_logs_folder": given["__plex_burst_logs_folder"]}),
                ),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "HOME": str(self.folder),
                "MEDIALIFT_CONFIG": str(self.folder / "medialift.toml"),
            },
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def fetched(self) -> Opened:
        """What came to the controller."""
        [path] = (self.artifacts / "logs").glob("*.tar.zst")
        return Opened(path, self.folder / "unpacked")

    def phases(self) -> dict[str, str]:
        return {one.name: one.outcome for one in journal.phases(self.artifacts / "journal.jsonl")}


def _part(name: str) -> dict[str, Any]:
    return {"name": "Part", "ansible.builtin.include_role": {"name": "plex_burst", "tasks_from": name}}


@pytest.fixture
def machine(tmp_path: Path, store: StoreWorld) -> Machine:
    return Machine(tmp_path, store)


def test_they_are_in_the_store_and_on_the_controller_without_secrets_and_the_report_says_so(
    machine: Machine,
) -> None:
    played = machine.play("logs", "conclude", plex_burst_finished=True, plex_burst_saved=True)
    assert played.returncode == 0, played.stdout + played.stderr
    found = machine.fetched()
    assert "scanned, said *****" in found.text
    assert SECRET not in found.text and "abcdefgh12" not in found.text
    [key] = machine.store.keys()
    assert key.startswith("plex/logs/plex-run-abc123-")
    told = json.loads((machine.artifacts / "burst.json").read_text())["logs"]
    assert (told["url"], told["problems"]) == (f"s3://{machine.store.bucket}/{key}", [])
    assert (machine.artifacts / told["file"]).stat().st_size == told["bytes"]
    assert told["file"] in (machine.artifacts / "report.html").read_text()
    # The controller's journal lies with them, and nothing is left on the machine.
    assert {one.name for one in journal.phases(machine.artifacts / "logs/journal.jsonl")} >= {"logs"}
    assert not (machine.folder / "machine/logs").exists()
    assert machine.phases()["logs"] == "ok"


def test_a_store_that_fails_costs_neither_the_burst_nor_the_controller_its_copy_and_is_told(
    machine: Machine,
) -> None:
    with machine.store.faults.active("status403"):
        played = machine.play("logs", "conclude", plex_burst_finished=True, plex_burst_saved=True)
    assert played.returncode == 0, played.stdout + played.stderr
    assert "scanned" in machine.fetched().text
    told = json.loads((machine.artifacts / "burst.json").read_text())["logs"]
    assert told["url"] == "" and "refuses access" in told["problems"][0]
    assert "refuses access" in (machine.artifacts / "report.html").read_text()
    assert machine.phases()["logs"] == "failed"


def test_a_failed_burst_whose_logs_are_nowhere_keeps_its_machine_and_says_why(machine: Machine) -> None:
    (machine.folder / "machine").write_text("no folder can be made here")
    databases = "config/Library/Application Support/Plex Media Server/Plug-in Support/Databases"
    (machine.folder / databases).mkdir(parents=True)
    (machine.folder / databases / "com.plexapp.plugins.library.db").touch()
    with machine.store.faults.active("status403"):
        played = machine.play(
            "rescue", "conclude", plex_burst_failure="The scan failed.", plex_burst_keep=True
        )
    assert played.returncode != 0
    error = json.loads((machine.artifacts / "burst.json").read_text())["error"]["what"]
    assert error.startswith("The scan failed.") and "Nor did the logs come out" in error
    assert "none came out" in (machine.artifacts / "report.html").read_text()

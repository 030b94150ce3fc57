"""The playbook of a burst where it goes wrong early: on a machine of one's own, with a real store."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from medialift.foundation import journal
from sandbox.settings import ROOT
from tests.ansible_world import ansible_playbook
from tests.preflight_world import PreflightWorld, make
from tests.store_world import StoreWorld


@pytest.fixture
def world(store_of_test: StoreWorld) -> PreflightWorld:
    return make(store_of_test)


def burst(world: PreflightWorld, folder: Path, **changes: Any) -> tuple[int, str]:
    """Play plex_burst.yml on a machine that nobody can reach; its exit code, and what it said in one line."""
    given = world.options
    values = {
        "burst_provider": "existing",
        "medialift_artifacts": str(folder / "artifacts"),
        "medialift_store_endpoint": given["endpoint"],
        "medialift_store_region": given["region"],
        "medialift_store_access_key": given["access_key"],
        "medialift_store_secret_key": given["secret_key"],
        "medialift_media_bucket": given["media_bucket"],
        "medialift_archive_bucket": given["archive_bucket"],
        "plex_burst_path_map": given["path_map"],
        "plex_burst_claim_token": "claim-ThisIsNobodysToken",
        **changes,
    }
    inventory = {
        "all": {
            "hosts": {
                "localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
            },
            "children": {
                "plex_burst": {"hosts": {"mine": {"ansible_host": "127.0.0.1", "ansible_port": 1}}},
                "plex_home": {},
            },
        }
    }
    (folder / "hosts.yml").write_text(json.dumps(inventory))
    played = ansible_playbook(
        *("-i", str(folder / "hosts.yml"), str(ROOT / "playbooks/plex_burst.yml")),
        *("--extra-vars", json.dumps(values)),
        home=folder,
    )
    return played.returncode, " ".join((played.stdout + played.stderr).split())


def phases(folder: Path) -> list[tuple[str, str]]:
    return [(one.name, one.outcome) for one in journal.phases(folder / "artifacts/journal.jsonl")]


def test_a_machine_that_cannot_be_reached_is_a_burst_that_failed_and_is_told_of(
    world: PreflightWorld, tmp_path: Path
) -> None:
    world.reference()
    code, said = burst(world, tmp_path)
    assert code != 0
    assert "The machine was lost" in said
    report = json.loads((tmp_path / "artifacts/report.json").read_text())
    assert (report["outcome"], report["archive"]) == ("failed", None)
    assert phases(tmp_path) == [
        ("preflight", "ok"),
        ("provision", "ok"),
        ("set up", "failed"),
        ("destroy", "ok"),
    ]
    assert world.options["secret_key"] not in said


def test_what_the_preflight_refuses_is_the_burst_s_error_and_the_next_burst_has_a_journal_of_its_own(
    world: PreflightWorld, tmp_path: Path
) -> None:
    world.reference()
    code, said = burst(world, tmp_path, plex_burst_sections="Movies\nFilme")
    assert code != 0
    assert "There is no such section: Filme" in said and "Movies, Music, Photos" in said
    assert phases(tmp_path) == [("preflight", "failed"), ("destroy", "ok")]
    told = json.loads((tmp_path / "artifacts/burst.json").read_text())
    assert (told["outcome"], told["instance"]) == ("failed", None)

    # A profile is refused before even the store is asked, with those that there are.
    wrong = {"medialift_profile": "huge", "plex_burst_mount_profile": "fast"}
    code, said = burst(world, tmp_path, medialift_archive_bucket="nowhere", **wrong)
    assert code != 0
    assert 'medialift_profile is "huge"; there are lite, standard, power, superpower' in said
    assert 'plex_burst_mount_profile) is "fast"; there are lite,' in said
    assert phases(tmp_path) == [("preflight", "failed"), ("destroy", "ok")]
    assert len(list((tmp_path / "artifacts").glob("journal-*.jsonl"))) == 1


def test_a_check_of_a_machine_that_has_the_runtime_waits_for_no_run(tmp_path: Path) -> None:
    told = {
        "plex_burst_plan": {"run": "of-nobody"},
        "plex_burst_media_bucket": "media",
        "plex_burst_artifacts": str(tmp_path / "artifacts"),
        "plex_burst_attach_retries": 2,
    }
    scan = {"name": "Scan", "ansible.builtin.include_role": {"name": "plex_burst", "tasks_from": "scan"}}
    facts = {"name": "Plan", "ansible.builtin.set_fact": told}
    play = {"name": "Play", "hosts": "localhost", "gather_facts": False, "tasks": [facts, scan]}
    (tmp_path / "play.json").write_text(json.dumps([play]))
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    played = ansible_playbook(
        *("-i", "localhost,", "--check", "--extra-vars", json.dumps(local), str(tmp_path / "play.json")),
        home=tmp_path,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    assert "RETRYING" not in played.stdout

"""The long form, in the sandbox: a burst whose controller is killed in every phase, and lost instances.

The short form is in `tests/e2e` (interrupted in the scan, killed in the export) and beside this file, where
no machine is needed. This one takes minutes: `make soak` runs it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from threading import Event
from typing import Any

import pytest

from medialift.cloud.instances import account_from
from medialift.cloud.scaleway import Scaleway
from medialift.foundation import journal
from medialift.foundation.waiting import SystemClock, wait_until
from sandbox import history, world
from tests import burst_world
from tests.burst_world import SETTINGS, counts, home_plex, instances, start, succeed
from tests.cloud_world import CREDENTIALS
from tests.faults import catalogue

pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("sandbox"), pytest.mark.soak]

PHASES = ("preflight", "provision", "set up", "Plex", "inject", "claim", "scan", "export", "destroy")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """A home with a library and its reference in the store, and media that grew since; its counts."""
    artifacts = tmp_path_factory.mktemp("home")
    world.reset()
    world.media(30)
    succeed("plex_home", artifacts=artifacts)
    history.make_home_library()
    world.media(45)
    succeed("plex_export", artifacts=artifacts)
    return counts(home_plex())


@pytest.fixture
def whole(home: dict[str, int], tmp_path: Path) -> Iterator[dict[str, int]]:
    """After the test: nothing is rented, home has lost nothing, and an import succeeds."""
    before, people = counts(home_plex()), burst_world.what_people_did(home_plex())
    assert burst_world.nothing_is_rented()
    yield before
    assert burst_world.nothing_is_rented(), burst_world.cloud()
    # However a burst went, home was not touched by it.
    assert counts(home_plex()) == before
    succeed("plex_import", artifacts=tmp_path)
    served = counts(home_plex())
    assert all(served[name] >= number for name, number in before.items())
    assert burst_world.what_people_did(home_plex()) == people
    rolled_back = burst_world.on_home("/opt/medialift/current/bin/medialift plex rollback")
    assert rolled_back.returncode == 0, rolled_back.stderr


def begun(path: Path, after: int, phase: str) -> bool:
    """Whether a phase began in the journal beyond its first `after` lines."""
    return any((one.phase, one.event) == (phase, journal.START) for one in journal.entries(path)[after:])


def run_until(phase: str, artifacts: Path) -> tuple[subprocess.Popen[str], bool]:
    """A burst that has come to this phase; whether it did before it ended."""
    path = artifacts / "journal.jsonl"
    lines = len(journal.entries(path))
    process = start("plex_burst", artifacts=artifacts)
    assert wait_until(
        lambda: begun(path, lines, phase) or process.poll() is not None, at_most=600, every=0.05
    )
    return process, begun(path, lines, phase)


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.fault(catalogue.CONTROLLER)
def test_killed_in_every_phase_one_burst_comes_to_its_end_on_one_instance(
    whole: dict[str, int], tmp_path: Path, fault_moment: int, record_property: Any
) -> None:
    record_property("tries", len(PHASES))
    seen: set[str] = set()
    random = Random(fault_moment)
    for phase in PHASES:
        process, came = run_until(phase, tmp_path)
        assert came, (phase, process.communicate()[0][-4000:])
        # At the phase's very beginning, or somewhere in it.
        SystemClock().sleep(random.random() * 3 if fault_moment else 0.0, Event())
        kill(process)
        there = instances()
        assert len(there) <= 1, (phase, there)
        seen.update(there)
    succeed("plex_burst", artifacts=tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["outcome"] == "ok"
    # Killed while it took the instance away, the last run may have had to begin with another.
    assert len(seen) == 1, seen


def cloud_takes(how: str) -> None:
    """What a provider does to an instance, or a person in its console."""
    (gone,) = instances()
    client = Scaleway(account_from({**CREDENTIALS, "api_url": SETTINGS.scaleway_url}))
    client.instance.server_action(server_id=gone, zone="fr-par-1", action=how)
    if how == "terminate":
        assert wait_until(lambda: gone not in instances(), at_most=60, every=0.2)


@pytest.mark.parametrize("how", ["terminate", "poweroff"])
@pytest.mark.parametrize(
    "phase",
    [
        pytest.param("scan", marks=pytest.mark.fault(catalogue.INSTANCE_MID_SCAN)),
        pytest.param("export", marks=pytest.mark.fault(catalogue.INSTANCE_MID_EXPORT)),
    ],
)
def test_an_instance_that_goes_away_is_replaced_by_the_next_run(
    whole: dict[str, int], tmp_path: Path, phase: str, how: str
) -> None:
    process, came = run_until(phase, tmp_path)
    assert came, process.communicate()[0][-4000:]
    cloud_takes(how)
    output, _ = process.communicate(timeout=900)
    assert process.returncode != 0, output[-4000:]
    succeed("plex_burst", artifacts=tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["outcome"] == "ok"

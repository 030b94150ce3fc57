"""Chapter 7: `make demo MODE=scratch`, interrupted in its burst, killed in the next, and gone on with."""

import json
import os
import signal
import subprocess

import pytest

from medialift.foundation.waiting import wait_until
from tests import burst_world
from tests.burst_world import counts, home_plex, instances, play, start, succeed
from tests.faults import catalogue

pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("sandbox")]


@pytest.fixture(scope="module")
def interrupted(run_demo, tmp_path_factory):
    """The demo, and Ctrl-C as soon as Plex runs on its instance."""
    artifacts = tmp_path_factory.mktemp("scratch") / "demo"
    process = run_demo("scratch", artifacts)
    journal = artifacts / "journal.jsonl"

    def scanning() -> bool:
        ended = process.poll() is not None
        return ended or (journal.is_file() and '"scan"' in journal.read_text(encoding="utf-8"))

    assert wait_until(scanning, at_most=400, every=0.2)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    return artifacts, process, output, instances()


@pytest.fixture(scope="module")
def killed(interrupted, tmp_path_factory):
    """The same burst again, a second one beside it, and the first one killed when it exports."""
    artifacts = interrupted[0]
    journal = artifacts / "journal.jsonl"
    process = start("plex_burst", artifacts=artifacts, variables={"plex_burst_mode": "scratch"})

    def started(phase: str, times: int) -> bool:
        line = f'"phase": "{phase}", "event": "start"'
        return process.poll() is not None or journal.read_text(encoding="utf-8").count(line) == times

    assert wait_until(lambda: started("set up", 2), at_most=200, every=0.1)
    other = tmp_path_factory.mktemp("second")
    second = play("plex_burst", artifacts=other, variables={"plex_burst_mode": "scratch"})
    assert wait_until(lambda: started("export", 1), at_most=400, every=0.1)
    os.killpg(process.pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=60)
    return process, output, second, instances()


@pytest.fixture(scope="module")
def report(interrupted, killed):
    """The report after the same burst, run once more, and the import."""
    artifacts = interrupted[0]
    succeed("plex_burst", artifacts=artifacts, variables={"plex_burst_mode": "scratch"})
    succeed("plex_import", artifacts=artifacts)
    return json.loads((artifacts / "report.json").read_text())


def test_ctrl_c_ends_it_with_a_word_on_what_to_do(interrupted):
    _, process, output, there = interrupted
    assert process.returncode == 130, output
    assert "Run `make demo` again" in output
    assert "Traceback" not in output
    assert len(there) == 1


def test_no_playbook_runs_on_behind_it(interrupted):
    artifacts = interrupted[0]

    def nobody() -> bool:
        # The folder is in the command line of everything that the demo started.
        return subprocess.run(["pgrep", "--full", str(artifacts)], check=False).returncode == 1

    assert wait_until(nobody, at_most=60, every=0.5)


@pytest.mark.fault(catalogue.TWO_BURSTS)
def test_a_second_burst_is_refused_while_the_first_goes_on_and_takes_nothing_from_it(interrupted, killed):
    process, output, second, there = killed
    assert second.code != 0
    assert f"A burst of this library goes on already: process {process.pid}" in second.folded
    assert second.recap("localhost")["ok"] == 0
    assert process.returncode == -signal.SIGKILL, output[-4000:]
    assert there == interrupted[3]


@pytest.mark.fault(catalogue.CONTROLLER)
def test_the_burst_goes_on_on_the_instance_that_was_left(interrupted, report):
    assert report["instance"]["id"] == interrupted[3][0]
    assert report["instance"]["destroyed"] is True
    assert burst_world.nothing_is_rented(), burst_world.cloud()


def test_it_made_the_sections_and_home_serves_them_from_home(report):
    assert (report["outcome"], report["import"]["outcome"]) == ("ok", "ok")
    made = {section["name"]: section for section in report["sections"]}
    assert set(made) == {"Movies", "TV Shows", "Music"}
    served = counts(home_plex())
    for name, section in made.items():
        assert section["items_before"] == 0 < section["items_after"] == served[name]
        assert home_plex().library.section(name).locations == [f"/library/media/{name}"]


def test_no_secret_was_written(interrupted, report):
    assert burst_world.leaked(interrupted[0]) == []

"""Chapter 5: an expired claim costs another token, never another machine; home then pulls what came of it."""

import json
import os
import signal
import subprocess
import threading
import time

import pytest

from medialift.foundation.waiting import wait_until
from sandbox.ports import free_port
from sandbox.settings import ROOT
from tests import burst_world
from tests.burst_world import SETTINGS, counts, home_plex, instances, on_home, play, plex_tv, succeed

pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("sandbox")]


@pytest.fixture(scope="module")
def expired(delta, tmp_path_factory):
    """A burst with a claim token that expired on the way."""
    artifacts = tmp_path_factory.mktemp("claim")
    token = plex_tv("GET", "/api/claim/token.json")["token"]
    plex_tv("PUT", "/sandbox/state", json={"expire": True})
    ended = play(
        "plex_burst",
        artifacts=artifacts,
        variables={"plex_burst_claim_token": token, "plex_burst_account_token": ""},
    )
    return artifacts, ended, instances()


@pytest.fixture(scope="module")
def continued(expired):
    """The burst again, with the account: the first token that it gives is expired, the next is not."""
    artifacts, _, _ = expired
    plex_tv("PUT", "/sandbox/state", json={"validity": -1})
    out = plex_tv("GET", "/sandbox/state")["claims"]
    handed_out = threading.Event()

    def make_the_next_one_good() -> None:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            if plex_tv("GET", "/sandbox/state")["claims"] > out:
                plex_tv("DELETE", "/sandbox/state")
                handed_out.set()
                return
            time.sleep(0.05)

    watcher = threading.Thread(target=make_the_next_one_good)
    watcher.start()
    ended = play("plex_burst", artifacts=artifacts)
    watcher.join()
    assert handed_out.is_set(), ended.output
    return ended


def test_it_says_that_the_token_is_good_no_more_and_what_to_do(expired):
    _, ended, _ = expired
    assert ended.code != 0
    assert "Plex refused the claim token: it has expired" in ended.folded
    assert "get a new token from https://plex.tv/claim and run the burst again" in ended.folded


def test_the_machine_is_kept_for_the_next_token(expired):
    _, ended, there = expired
    assert len(there) == 1
    assert f"The instance {there[0]} is kept until its expiry" in ended.folded


def test_the_next_run_goes_on_on_the_same_machine_and_gets_another_token_when_one_is_refused(
    expired, continued
):
    artifacts, _, there = expired
    assert continued.code == 0, continued.output[-6000:]
    report = json.loads((artifacts / "report.json").read_text())
    assert report["outcome"] == "ok"
    assert report["instance"]["id"] == there[0]
    assert report["instance"]["destroyed"] is True
    assert "try again" in continued.output
    assert burst_world.nothing_is_rented(), burst_world.cloud()


def test_no_token_was_written_anywhere(expired, continued):
    assert burst_world.leaked(expired[0]) == []


@pytest.fixture
def repository(tmp_path):
    """The project as it is committed, in a repository that home can pull."""
    bare = tmp_path / "project.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(ROOT), str(bare)], check=True, timeout=60)
    subprocess.run(["git", "-C", str(bare), "update-ref", "refs/heads/main", "HEAD"], check=True, timeout=60)
    port = free_port(SETTINGS.gateway)
    daemon = subprocess.Popen(
        [
            *("git", "daemon", "--export-all", f"--base-path={tmp_path}"),
            *(f"--listen={SETTINGS.gateway}", f"--port={port}", str(bare)),
        ],
        start_new_session=True,
    )
    url = f"git://{SETTINGS.gateway}:{port}/project.git"

    def served() -> bool:
        asked = subprocess.run(["git", "ls-remote", url], capture_output=True, timeout=30, check=False)
        return asked.returncode == 0

    try:
        assert wait_until(served, at_most=20, every=0.1)
        yield url
    finally:
        os.killpg(daemon.pid, signal.SIGTERM)
        daemon.wait(timeout=20)


def test_home_pulls_the_project_and_imports_by_itself(expired, continued, repository, tmp_path):
    pull = {
        "plex_home_pull_enabled": True,
        "plex_home_pull_repository": repository,
        "plex_home_pull_reference": "main",
        "plex_home_pull_variables": {"plex_import_required": False, "plex_import_accept_loss": True},
    }
    succeed("plex_home", artifacts=tmp_path, variables=pull)
    assert on_home("systemctl is-active medialift-plex-pull.timer").stdout.strip() == "active"
    pulled = on_home("systemctl start medialift-plex-pull.service")
    said = on_home("journalctl --no-pager --output cat --unit medialift-plex-pull.service").stdout
    assert pulled.returncode == 0, said
    assert "imported" in said, said
    report = json.loads((expired[0] / "report.json").read_text())
    served = counts(home_plex())
    for section in report["sections"]:
        assert served[section["name"]] == section["items_after"], section

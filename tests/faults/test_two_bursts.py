"""Two bursts of one library at once: the second is refused before it touches what is the first one's."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from medialift.foundation.waiting import wait_until
from sandbox.settings import ROOT
from tests.faults import catalogue

HOLD = {
    "name": "Refuse a second burst while one goes on",
    "run_alone": {"name": "burst-home", "what": "A burst of this library goes on already"},
}


def playbook(folder: Path, *tasks: dict[str, object]) -> subprocess.Popen[str]:
    """A playbook that says when it holds the name, and goes on for a minute if it is told to."""
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    play = {"name": "Play", "hosts": "localhost", "gather_facts": False, "vars": local}
    book = folder / f"play{len(list(folder.iterdir()))}.json"
    book.write_text(json.dumps([{**play, "tasks": [HOLD, *tasks]}]))
    return subprocess.Popen(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(book)],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.fixture
def first(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A playbook that holds the name and goes on."""
    mark = tmp_path / "holds"
    process = playbook(
        tmp_path,
        {"name": "Say so", "ansible.builtin.copy": {"content": "", "dest": str(mark), "mode": "0600"}},
        {"name": "Go on", "ansible.builtin.wait_for": {"timeout": 120}},
    )
    assert wait_until(lambda: mark.exists() or process.poll() is not None, at_most=60, every=0.05)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.fault(catalogue.TWO_BURSTS)
@pytest.mark.fault(catalogue.CONTROLLER)
def test_a_second_is_refused_until_the_first_is_gone_however_it_went(
    first: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert first.poll() is None, first.communicate()
    second = playbook(tmp_path)
    said = " ".join(second.communicate(timeout=60)[0].split())
    assert second.returncode != 0
    assert f"A burst of this library goes on already: process {first.pid}" in said
    # Killed outright, with its workers left behind: nobody has to clear anything away.
    os.kill(first.pid, signal.SIGKILL)
    third = playbook(tmp_path)
    assert "failed=0" in third.communicate(timeout=60)[0]
    assert third.returncode == 0

"""One story, told in chapters that share one sandbox: a home whose library goes up, grows and comes home.

A chapter asks for `delta` and so may be run alone; the burst that it stands on is then run first.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import world
from sandbox.settings import ROOT
from tests import burst_world


@dataclass(frozen=True)
class Delta:
    """What `make demo` left behind."""

    artifacts: Path
    output: str
    report: dict[str, Any]
    people: dict[str, Any]
    """What people watched and rated, as home tells it after the import."""


def demo(mode: str, artifacts: Path) -> subprocess.Popen[str]:
    """What `make demo` runs, with a folder of its own for what it writes."""
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.demo", mode, "--artifacts", str(artifacts)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell that runs the tests in the background has Ctrl-C ignored in all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.fixture(scope="session")
def run_demo() -> Callable[[str, Path], subprocess.Popen[str]]:
    return demo


@pytest.fixture(scope="session")
def delta(tmp_path_factory: pytest.TempPathFactory) -> Delta:
    """A home after `make demo`."""
    artifacts = tmp_path_factory.mktemp("delta") / "demo"
    process = demo("delta", artifacts)
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output[-8000:]
    return Delta(
        artifacts,
        output,
        json.loads((artifacts / "report.json").read_text(encoding="utf-8")),
        burst_world.what_people_did(burst_world.home_plex()),
    )


@pytest.fixture(scope="session", autouse=True)
def sandbox_is_up() -> None:
    world.up(with_home=False)

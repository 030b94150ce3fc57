"""Every scenario of molecule: the roles on real machines, from nothing to nothing."""

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.sandbox
ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".venv/bin"
SCENARIOS = sorted(folder.parent.name for folder in (ROOT / "molecule").glob("*/molecule.yml"))


# They use the one cloud and plex.tv, which the end-to-end tests set back; the others share only the store.
SHARING = {"cloud", "burst"}


def test_there_are_scenarios():
    assert {"host", "plex", "cloud", "burst", "books", "audiobooks", "dashboard"} <= set(SCENARIOS)


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(name, marks=pytest.mark.xdist_group("sandbox" if name in SHARING else "machines"))
        for name in SCENARIOS
    ],
)
def test_scenario(scenario, tmp_path):
    ended = subprocess.run(
        [str(TOOLS / "molecule"), "test", "-s", scenario],
        cwd=ROOT,
        env={
            **os.environ,
            "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
            "MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path / "molecule"),
            "ANSIBLE_FORCE_COLOR": "0",
            "NO_COLOR": "1",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # The longest takes ten minutes alone, and others run beside it.
        timeout=2400,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout

"""Style, types, the layers between the rooms, YAML, Ansible, and documentation that is what the code says."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".venv/bin"


@pytest.mark.parametrize(
    "command",
    [
        "ruff check",
        "ruff format --check",
        "mypy",
        "lint-imports",
        "yamllint --strict .",
        "ansible-lint --offline",
        "python -m docs --check",
    ],
)
def test_nothing_is_found(command):
    program, *arguments = command.split()
    found = subprocess.run(
        [str(TOOLS / program), *arguments],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert found.returncode == 0, found.stdout

"""Playbooks on this machine, without the sandbox."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sandbox.settings import ROOT


def ansible_playbook(*arguments: str, home: Path, timeout: float = 180) -> subprocess.CompletedProcess[str]:
    """Run ansible-playbook with the project's configuration to its end, however that is."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), *arguments],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )

"""beets with beets-audible as a host has it: installed once from requirements/beets.txt, kept in .cache."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements/beets.txt"
_SECONDS = 300


def beet() -> Path:
    """The program, installed when it is not there yet; tests that run side by side wait for one another."""
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    place = ROOT / ".cache" / f"beets-{digest}"
    place.parent.mkdir(exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "ready").exists():
            shutil.rmtree(place, ignore_errors=True)
            _run(sys.executable, "-m", "venv", place)
            pip = (place / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            _run(*pip, "--require-hashes", "--only-binary", ":all:", "-r", LOCK)
            (place / "ready").touch()
    return place / "bin/beet"


def _run(*argv: object) -> None:
    done = subprocess.run(
        [str(word) for word in argv], capture_output=True, text=True, timeout=_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr

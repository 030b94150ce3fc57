"""The docker command, with faults told in the sandbox's words."""

from __future__ import annotations

import json
import os
import subprocess
from typing import IO, Any

from medialift.errors import Permanent


def docker(*arguments: str, stdin: IO[bytes] | None = None, timeout: float = 120) -> str:
    """Run `docker arguments…` and return what it printed.

    Raises:
        Permanent: docker is missing, refused, or took longer than `timeout` seconds.
    """
    what = "docker " + " ".join(arguments[:2])
    try:
        done = subprocess.run(
            ["docker", *arguments],
            stdin=stdin if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
            # The classic builder is in every engine; BuildKit needs a plug-in that Debian does not ship.
            env=os.environ | {"DOCKER_BUILDKIT": "0", "DOCKER_CLI_HINTS": "false"},
        )
    except FileNotFoundError as fault:
        raise Permanent("The program docker is missing", what, "Run sandbox/setup") from fault
    except subprocess.TimeoutExpired as fault:
        raise Permanent(f"Docker did not finish within {timeout:.0f} s", what) from fault
    if done.returncode != 0:
        said = (done.stderr.decode(errors="replace") or done.stdout.decode(errors="replace")).strip()
        raise Permanent(f"Docker failed ({said[-2000:]})", what)
    return done.stdout.decode(errors="replace")


def inspect(kind: str, name: str) -> dict[str, Any] | None:
    """What docker knows of a `container`, `image` or `network`; None when there is none of that name."""
    try:
        found: list[dict[str, Any]] = json.loads(docker(kind, "inspect", name))
    except Permanent as fault:
        # Docker has no exit code of its own for this; client 20 and 28 both say "No such …" or "… not found".
        if "no such" in fault.what.lower() or "not found" in fault.what.lower():
            return None
        raise
    return found[0]

"""The self-test of a release in a sandbox: what an edit does there, it does to nothing.

The child has no network but its own, no secrets in its environment, no right to write but in a small folder
in memory, a user who owns nothing, limits of time and memory, and a deadline. It cannot reach the services of
this machine by their sockets either. Where systemd runs it makes all that; elsewhere util-linux does.

A self-test is not believed on its exit code alone: each check of the release that is known to be good must be
told to have been passed.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medialift.errors import Permanent, Transient
from medialift.foundation.process import Completed, run
from medialift.foundation.units import format_duration
from medialift.healing.code import confine

_SYSTEMD = Path("/run/systemd/system")
_NOBODY = 65534
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MOST_WORDS = 2000
# Of systemd's sandbox: there on each system, and what may be mounted below it is hidden as well.
_FOLDER = "/mnt"


@dataclass(frozen=True)
class Limits:
    """What the child may use.

    Attributes:
        seconds: until it is killed.
        cpu_seconds: of the processor.
        memory, disk: bytes.
        processes: of its user, threads included.
    """

    seconds: float = 180.0
    cpu_seconds: int = 90
    memory: int = 4 * 1024**3
    disk: int = 256 * 1024**2
    processes: int = 256


@dataclass(frozen=True)
class Verdict:
    """What a self-test came to.

    Attributes:
        ok: all checks were passed.
        checks: {name: why it failed, "" when it did not}.
        why: in a sentence, when it is not ok.
    """

    ok: bool
    checks: Mapping[str, str]
    why: str = ""

    def to_dict(self) -> dict[str, Any]:
        """{ok, checks, why}."""
        return {"ok": self.ok, "checks": dict(self.checks), "why": self.why}


def selftest(
    release: Path, pipeline: str, *, expected: Sequence[str] | None = None, limits: Limits | None = None
) -> Verdict:
    """Run the self-test of a pipeline in a release.

    Args:
        expected: names of the checks that there have to be; None: whichever there are.

    Raises:
        Permanent: there can be no sandbox here.
    """
    limits = limits or Limits()
    python = release / "venv" / "bin" / "python"
    try:
        done = confined([str(python), "-I", "-B", "-m", "medialift", "--json", "selftest", pipeline], limits)
    except Transient:
        return Verdict(False, {}, f"The self-test did not end within {format_duration(limits.seconds)}")
    return judged(done, expected)


def judged(done: Completed, expected: Sequence[str] | None) -> Verdict:
    """What the output of a self-test says."""
    checks: dict[str, str] = {}
    told: Any = None
    with suppress(ValueError):
        told = json.loads(done.out)
    for one in _listed(told):
        why = "" if one.get("ok") is True else str(one.get("why") or "it failed")
        checks[str(one.get("name"))] = why[:_MOST_WORDS]
    failed = {name: why for name, why in checks.items() if why}
    missing = [name for name in expected or () if name not in checks]
    if failed:
        name, why = next(iter(failed.items()))
        return Verdict(False, checks, f"{len(failed)} checks of the self-test failed: {name}: {why}")
    if done.rc != 0 or not checks:
        last = (done.err or done.out).strip().splitlines()[-1:] or ["it said nothing"]
        return Verdict(False, checks, f"The self-test ended with {done.rc}: {last[0][:_MOST_WORDS]}")
    if missing:
        return Verdict(False, checks, f"The self-test left out: {', '.join(missing)}")
    return Verdict(True, checks)


def _listed(told: Any) -> list[Mapping[str, Any]]:
    listed = told.get("checks") if isinstance(told, Mapping) else None
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []


def confined(argv: Sequence[str], limits: Limits) -> Completed:
    """Run a program in the sandbox.

    Raises:
        Permanent: there can be none here.
        Transient: it did not end in time.
    """
    if os.geteuid() != 0:
        raise Permanent("Only root can make a sandbox", "the self-test", "Run the healing as its service")
    if _SYSTEMD.is_dir():
        return run(_by_systemd(argv, limits), timeout=limits.seconds + 10)
    with tempfile.TemporaryDirectory(prefix="medialift-sandbox-") as scratch:
        done = run(_by_unshare(argv, limits, scratch), timeout=limits.seconds)
    if done.rc != 0 and confine.READY not in done.err:
        last = done.err.strip().splitlines()[-1:] or [f"exit code {done.rc}"]
        raise Permanent("There can be no sandbox here", last[0], "Code fixes need one: leave them off here")
    return replace(done, err=done.err.replace(f"{confine.READY}\n", "", 1))


def _by_unshare(argv: Sequence[str], limits: Limits, scratch: str) -> list[str]:
    given = {
        "argv": list(argv),
        "scratch": scratch,
        "user": _NOBODY,
        "group": _NOBODY,
        "environment": _environment(scratch),
        "cpu_seconds": limits.cpu_seconds,
        "memory": limits.memory,
        "disk": limits.disk,
        "processes": limits.processes,
    }
    return [
        # Not even what makes the sandbox has our environment, with the secrets in it.
        *("env", "--ignore-environment", f"PATH={_PATH}"),
        *("unshare", "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child"),
        *(sys.executable, "-I", "-B", str(Path(confine.__file__).resolve()), json.dumps(given)),
    ]


def _by_systemd(argv: Sequence[str], limits: Limits) -> list[str]:
    settings = {
        "DynamicUser": "yes",
        "PrivateNetwork": "yes",
        "PrivateDevices": "yes",
        "PrivateIPC": "yes",
        "PrivateUsers": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "tmpfs",
        "ProtectProc": "invisible",
        "ProtectClock": "yes",
        "ProtectControlGroups": "yes",
        "ProtectHostname": "yes",
        "ProtectKernelLogs": "yes",
        "ProtectKernelModules": "yes",
        "ProtectKernelTunables": "yes",
        "InaccessiblePaths": "-/etc/medialift -/var/lib/medialift",
        "TemporaryFileSystem": f"/run:ro,mode=755 {_FOLDER}:mode=1777,size={limits.disk}",
        "CapabilityBoundingSet": "",
        "NoNewPrivileges": "yes",
        "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
        "RestrictNamespaces": "yes",
        "RestrictSUIDSGID": "yes",
        "LockPersonality": "yes",
        "SystemCallFilter": "@system-service",
        "SystemCallArchitectures": "native",
        "MemoryMax": str(limits.memory),
        "MemorySwapMax": "0",
        "TasksMax": str(limits.processes),
        "LimitCPU": str(limits.cpu_seconds),
        "LimitFSIZE": str(limits.disk),
        "LimitCORE": "0",
        "RuntimeMaxSec": f"{limits.seconds:g}",
        "WorkingDirectory": _FOLDER,
        "Nice": "10",
    }
    return [
        *("systemd-run", "--quiet", "--collect", "--wait", "--pipe", "--service-type=exec"),
        f"--unit=medialift-selftest-{secrets.token_hex(4)}",
        *(f"--property={name}={value}" for name, value in settings.items()),
        *(f"--setenv={name}={value}" for name, value in _environment(_FOLDER).items()),
        *("--", *argv),
    ]


def _environment(scratch: str) -> dict[str, str]:
    return {"PATH": _PATH, "LANG": "C.UTF-8", "HOME": scratch, "TMPDIR": scratch}

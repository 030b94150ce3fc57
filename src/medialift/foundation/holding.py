"""One run at a time: a name that a process of this machine holds until it ends, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from medialift.errors import Permanent, Unsafe

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process, told from a later one of the same number by when it began (in ticks since the boot)."""

    pid: int
    began: int


def folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where this user's names are held."""
    cache = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "medialift" / "held"


def process(pid: int, proc: Path = PROC) -> Process | None:
    """A living process; None when there is none, or the system does not tell (it has no /proc).

    One that nobody has collected yet (Z) has ended. Source of the fields: proc_pid_stat(5).
    """
    told = _stat(pid, proc)
    return None if told is None or told[0] in ("Z", "X") else Process(pid, int(told[19]))


def outermost(program: str, below: int, proc: Path = PROC) -> Process | None:
    """The first of the processes that led to `below` which runs this program: `ansible-playbook`.

    Ansible runs a module some processes below itself; the outermost one lives as long as the whole run.
    """
    found, pid = None, below
    while pid > 1 and (told := _stat(pid, proc)) is not None:
        words = (proc / str(pid) / "cmdline").read_bytes().split(b"\0")[:2]
        if program in (Path(os.fsdecode(word)).name for word in words):
            found = pid
        pid = int(told[1])
    return None if found is None else process(found, proc)


def hold(name: str, by: Process, *, what: str, where: Path | None = None, proc: Path = PROC) -> bool:
    """Hold a name for a process, for as long as that lives. False when it holds it already.

    Raises:
        Unsafe: another living process holds it; `what` says in the error what that one is doing.
        Permanent: the name cannot be that of a file, or the folder cannot be written.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise Permanent("A name that is held is made of letters, digits, dots and dashes", name)
    path = (where or folder()) / f"{name}.json"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise Permanent(
            f"Whether another run goes on cannot be written down ({error.strerror})",
            str(path),
            "Make the folder writable, or set XDG_CACHE_HOME",
        ) from error
    with os.fdopen(handle, "r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = _holder(file.read())
        if before == by:
            return False
        if before is not None and process(before.pid, proc) == before:
            raise Unsafe(what, f"process {before.pid}", "Wait until it ends, or stop it; then run this again")
        file.seek(0)
        file.truncate()
        json.dump(asdict(by), file)
    return True


def _holder(text: str) -> Process | None:
    try:
        return Process(**json.loads(text))
    except (ValueError, TypeError):
        return None  # empty, or torn by a crash while it was written: nobody holds it


def _stat(pid: int, proc: Path) -> list[str] | None:
    try:
        text = (proc / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()  # state, parent, …; the 20th is when it began

"""Running other programs: always with a deadline, never waited for without bound."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event

from medialift.errors import Permanent, Transient

# How long a killed child may take to vanish. One that is stuck in the kernel (a dead FUSE mount)
# outlives even SIGKILL: after this it is left behind rather than waited for.
_GRACE_SECONDS = 2.0
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Completed:
    """A program that ended: its command line, exit code (negative: the signal) and what it wrote."""

    argv: tuple[str, ...]
    rc: int
    out: str = ""
    err: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ended with 0."""
        return self.rc == 0

    def checked(self, what: str, hint: str = "") -> Completed:
        """Itself when it ended with 0.

        Raises:
            Permanent: it did not; the last line that it wrote is the hint when none is given.
        """
        if self.ok:
            return self
        written = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        last = written[-1].rstrip(".") if written else f"It wrote nothing and ended with {self.rc}"
        raise Permanent(what, f"{self.argv[0]} (exit code {self.rc})", hint or last)


Runner = Callable[[Sequence[str]], Completed]
"""How code that starts programs takes its means to: `run`, `runner(timeout=…)`, or a test's own."""


def run(
    argv: Sequence[str],
    *,
    timeout: float = 60.0,
    input: str | None = None,
    env: Mapping[str, str] | None = None,
    stop: Event | None = None,
) -> Completed:
    """Run a program to its end. A non-zero exit is an answer, not an error.

    Args:
        argv: the program and its arguments; no shell is involved. Secrets go through `input` or `env`:
            everybody on the machine can read a command line.
        timeout: seconds after which the program and all its children are killed.
        input: text for its standard input, which is otherwise empty.
        env: variables added to this process's own.
        stop: when it is set, the program is killed as if its time had run out.

    Raises:
        Permanent: there is no such program, or it may not be run.
        Transient: it did not end in time, or `stop` was set.
    """
    argv = tuple(str(word) for word in argv)
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **env} if env is not None else None,
            # A session of its own, so that a kill reaches what the program itself started.
            start_new_session=True,
        )
    except FileNotFoundError:
        raise Permanent(
            "A program is missing", argv[0], "Install it, or check its path in the settings"
        ) from None
    except PermissionError:
        raise Permanent("A program may not be run", argv[0], "Check its permissions") from None
    try:
        out, err = _communicate(child, input.encode() if input is not None else None, timeout, stop)
    except subprocess.TimeoutExpired:
        _kill(child)
        if stop is not None and stop.is_set():
            raise Transient("A program was stopped", shlex.join(argv[:2])) from None
        raise Transient(
            f"A program did not end within {timeout:g} s and was killed", shlex.join(argv[:2])
        ) from None
    except BaseException:
        # Interrupted (Ctrl-C, a stop signal): leave no orphan.
        _kill(child)
        raise
    return Completed(argv, child.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def runner(
    *,
    timeout: float,
    input: str | None = None,
    env: Mapping[str, str] | None = None,
    stop: Event | None = None,
) -> Runner:
    """`run` with its limits already set."""
    return partial(run, timeout=timeout, input=input, env=env, stop=stop)


def _communicate(
    child: subprocess.Popen[bytes], input: bytes | None, timeout: float, stop: Event | None
) -> tuple[bytes, bytes]:
    if stop is None:
        return child.communicate(input, timeout=timeout)
    until = time.monotonic() + timeout
    while True:
        left = until - time.monotonic()
        try:
            # It may be called again after a timeout, and loses nothing of what came before.
            return child.communicate(input, timeout=max(0.0, min(left, _LOOK_SECONDS)))
        except subprocess.TimeoutExpired:
            if left <= 0 or stop.is_set():
                raise
            input = None  # it was taken over, and must not be given twice


def _kill(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.communicate(timeout=_GRACE_SECONDS)

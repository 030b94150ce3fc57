"""Readers that a mount holds in the kernel: killed, and still there."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from medialift.mounts.reader import NAME


def argument(mountpoint: str) -> str:
    """The argument by which readers of this mount are told from others."""
    return f"--reader-of={mountpoint}"


def stuck_readers(mountpoint: str, proc: Path = Path("/proc")) -> Iterator[int]:
    """Readers of this mount, of this or any other process, that were killed and are still there."""
    marker = argument(mountpoint).encode()
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        with suppress(OSError):  # it ended while we looked
            # The name first: to see the arguments of a process one needs its memory, and that of a program
            # which maps a file of a dead mount may be locked for as long as the mount hangs.
            if (process / "comm").read_text().strip() != NAME:
                continue
            if marker in (process / "cmdline").read_bytes().split(b"\0") and _killed_in_vain(process):
                yield int(process.name)


def _killed_in_vain(process: Path) -> bool:
    """SIGKILL is pending: it waits inside the kernel (state D), where no signal reaches it."""
    pending = 0
    for line in (process / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("SigPnd", "ShdPnd"):
            pending |= int(value, 16)
    return bool(pending & 1 << (signal.SIGKILL - 1))

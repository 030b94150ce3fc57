"""Ports for servers that are to be started in a moment, or that are to come back at the same address.

Below the range from which the kernel takes the ports of outgoing connections: one that was free when it was
asked for cannot become the near end of a connection before its server listens there.
"""

from __future__ import annotations

import fcntl
import socket
import tempfile
from pathlib import Path

_FIRST, _LAST = 20_000, 29_999
_NEXT = Path(tempfile.gettempdir()) / "medialift-sandbox-ports"


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens at, and that no other process gets from here for the next thousands.

    Raises:
        RuntimeError: every port of the range is taken.
    """
    with _NEXT.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        last = int(file.read() or _LAST)
        for step in range(1, _LAST - _FIRST + 2):
            port = _FIRST + (last - _FIRST + step) % (_LAST - _FIRST + 1)
            if _free(host, port):
                file.truncate(0)
                file.write(str(port))
                return port
    raise RuntimeError(f"no port of {host} from {_FIRST} to {_LAST} is free")


def free_ports(count: int) -> list[int]:
    """So many of them."""
    return [free_port() for _ in range(count)]


def _free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True

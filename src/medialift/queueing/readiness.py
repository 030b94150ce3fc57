"""Telling systemd how a service is: sd_notify(3) over the socket that NOTIFY_SOCKET names."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress


def notify(state: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send "READY=1", "STATUS=…", "WATCHDOG=1" or "STOPPING=1"; False when nobody listens."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        # "@" stands for the zero byte that a name in Linux's abstract space begins with.
        out.settimeout(1)
        out.connect(address.replace("@", "\0", 1) if address[0] == "@" else address)
        out.sendall(state.encode())
        return True
    return False

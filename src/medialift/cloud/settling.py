"""Waiting for a server to come to rest: in its own state, and until it lets us in."""

from __future__ import annotations

from collections.abc import Callable

from medialift.errors import Permanent, Transient, Unsafe
from medialift.foundation.waiting import wait_until

from . import ssh, tags
from .belongings import Server
from .scaleway import NotFound, Scaleway
from .wanted import Wanted

SETTLED = ("running", "stopped", "stopped_in_place", "locked")


def settle(
    cloud: Scaleway, wanted: Wanted, server: Server, deadline: float, *, starting: bool = False
) -> Server:
    """Wait until the server is running (`starting`), or else until it is in any lasting state.

    Raises:
        Permanent: while it was to start, it fell back to stopped, was locked, or vanished.
        NotFound: it is gone, and it was not to start.
        Transient: it is still under way at the deadline.
    """
    subject = f"{server.id} in {server.zone}"
    seen: list[Server] = []
    begun = cloud.clock.monotonic()

    def settled() -> bool:
        try:
            now = Server.of(cloud.instance.get_server(server_id=server.id, zone=server.zone).server)
        except NotFound:
            if not starting:
                raise
            raise Permanent("The instance vanished while it was waited for", subject, "Run again") from None
        moved = bool(seen) and seen[-1].state != now.state
        seen.append(now)
        if not starting:
            return now.state in SETTLED
        # Right after poweron it may still show its old state for a moment.
        if now.state == "stopped" and (moved or cloud.clock.monotonic() - begun > 15):
            raise Permanent(
                f"The instance did not start ({now.detail or 'no reason given'})",
                subject,
                "Look at it in Scaleway's console, or remove it and try again",
            )
        if now.state == "locked":
            raise Permanent("Scaleway has locked the instance", subject, "Ask its support why")
        return now.state == "running"

    if not wait_for(cloud, settled, deadline, wanted.poll):
        raise Transient(
            f"The instance is still {seen[-1].state}", subject, "Run again: it will be found and waited for"
        )
    return seen[-1]


def wait_for_ssh(cloud: Scaleway, wanted: Wanted, server: Server, deadline: float) -> None:
    key = tags.host_key_of(server.tags)
    subject = f"{server.id} in {server.zone}"
    if key is None:
        raise Unsafe("The instance has lost the tag with its host key", subject, "Remove it and make it anew")
    if not server.address:
        raise Permanent("The instance has no public IPv4 address", subject, "Remove it and make it anew")
    ssh.wait_until_ready(
        ssh.Door(server.address, key, port=wanted.ssh_port, private_key=wanted.private_key),
        at_most=max(1.0, deadline - cloud.clock.monotonic()),
        every=min(1.0, wanted.poll),
        clock=cloud.clock,
        boot=wanted.wait_for_boot,
    )


def wait_for(cloud: Scaleway, done: Callable[[], bool], deadline: float, every: float) -> bool:
    left = max(0.0, deadline - cloud.clock.monotonic())
    return wait_until(done, at_most=left, every=every, clock=cloud.clock, stop=cloud.stop)

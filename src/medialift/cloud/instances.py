"""An instance of Scaleway that exists for one job: make it or find it, and take all of it away again.

It is known by its tag `medialift:<name>`, in all zones. So a run that is repeated, on this controller or on
another, after a crash at any point, finds what was made so far, goes on from there and never makes a second.

The steps are in `creation`, `settling` and `removal`; this is the part that modules and commands call.
"""

from __future__ import annotations

from dataclasses import replace

from medialift.foundation.units import parse_duration as seconds_of

from . import tags
from .alone import alone
from .belongings import Server
from .creation import available, create, find, finish, image_id, tags_for
from .instance import Instance, Plan, expiry, rates_of, seconds_since, shown
from .pricing import Rates
from .removal import Removed, absent, plan_absent, remove_all
from .scaleway import NotFound, OutOfStock, QuotaExceeded, Scaleway
from .settling import settle, wait_for_ssh
from .wanted import Offer, Volume, Wanted, account_from, wanted_from

__all__ = [
    "Instance",
    "Offer",
    "Plan",
    "Removed",
    "Scaleway",
    "Volume",
    "Wanted",
    "absent",
    "account_from",
    "find",
    "plan_absent",
    "plan_present",
    "present",
    "rates",
    "seconds_of",
    "seconds_since",
    "wanted_from",
]


def plan_present(cloud: Scaleway, wanted: Wanted) -> Plan:
    """What `present` would do, without doing it.

    Raises:
        Unsafe: two instances carry the tag.
        Permanent: no such zone, type or image; wrong credentials.
        OutOfStock: none of the offers is to be had.
    """
    server = find(cloud, wanted.name, wanted.offers)
    if server is not None:
        new = tags_for(cloud, wanted, server.tags)
        actions = [*(["power on"] if server.state in ("stopped", "stopped_in_place", "stopping") else [])]
        if tags.CREATING in server.tags:
            actions.append("finish its creation")
        if set(new) != set(server.tags) - {tags.CREATING}:
            actions.append("set its tags")
        before = shown(server)
        after = {**before, "state": "running", "tags": sorted(tags.of_user(new)), "expires": expiry(new)}
        return Plan(tuple(actions), before, after if actions else before)
    offers, refused = available(cloud, wanted)
    image_id(cloud, wanted, offers[0])
    after = {
        "name": wanted.name,
        "zone": offers[0].zone,
        "commercial_type": offers[0].commercial_type,
        "state": "running",
        "tags": sorted(wanted.tags),
        "image": wanted.image,
        "root_volume": {"size": wanted.root_volume.size, "type": wanted.root_volume.kind},
        "extra_volumes": [volume.name for volume in wanted.extra_volumes],
    }
    return Plan((f"create {offers[0]}",), {}, after, tuple(refused))


def present(cloud: Scaleway, wanted: Wanted) -> tuple[Instance, tuple[str, ...]]:
    """Make the instance, or find it and finish what an earlier run began, until it lets us in over SSH.

    Returns it and what was done, in sentences; nothing done is an empty tuple. A second run on this machine
    waits for the first, and finds its instance.

    Raises:
        Unsafe: two instances carry the tag, or something with another host key answers.
        OutOfStock: none of the offers is to be had. QuotaExceeded: a quota forbids every one of them.
        Transient, Permanent: as they come; whatever was made is found again by the next run, or by `absent`.
    """
    with alone(wanted.name, at_most=wanted.timeout, every=wanted.poll, clock=cloud.clock):
        return _present(cloud, wanted)


def _present(cloud: Scaleway, wanted: Wanted) -> tuple[Instance, tuple[str, ...]]:
    deadline = cloud.clock.monotonic() + wanted.timeout
    server = find(cloud, wanted.name, wanted.offers)
    done: list[str] = []
    if server is not None and server.state == "stopping":
        try:
            server = settle(cloud, wanted, server, deadline)
        except NotFound:
            server = None
    if server is not None:
        try:
            server = finish(cloud, wanted, server, deadline, done)
        except (OutOfStock, QuotaExceeded):
            if tags.CREATING not in server.tags:
                raise
            # An earlier run got this far and no further: nothing on it is worth keeping.
            remove_all(cloud, wanted.name, [server.zone], deadline, wanted.poll)
            server = None
    if server is None:
        server = create(cloud, wanted, deadline, done)
    wait_for_ssh(cloud, wanted, server, deadline)
    ready = tags_for(cloud, wanted, server.tags)
    if set(ready) != set(server.tags):
        if not done:
            done.append("finish its creation" if tags.CREATING in server.tags else "set its tags")
        cloud.instance._update_server(server_id=server.id, zone=server.zone, tags=list(ready))
        server = replace(server, tags=tuple(ready))
    return Instance.of(server), tuple(done)


def rates(cloud: Scaleway, instance_id: str, zone: str) -> Rates:
    """What this server, its volumes and its address cost per hour."""
    server = Server.of(cloud.instance.get_server(server_id=instance_id, zone=zone).server)
    return rates_of(cloud, server)

"""Taking an instance away with everything that was made for it, and telling what it cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medialift.errors import MedialiftError, Permanent, Transient

from . import tags
from .belongings import Resource, Server, of_instance, resources, root_volume_name, servers
from .instance import Instance, Plan, rates_of, seconds_since, shown
from .scaleway import Busy, NotFound, Scaleway, Unanswered, in_zones
from .settling import wait_for
from .wanted import Offer


@dataclass(frozen=True)
class Removed:
    """What `absent` took away.

    Args:
        instance: the server as it was, or None when only leftovers, or nothing, were there.
        removed: {kind, id, zone, name} of each thing that is gone.
        seconds: how long the server had existed.
        cost: EUR for that time, or None when no price could be had.
        destroyed: whether nothing is left; False when a server that was ready was spared.
    """

    instance: Instance | None
    removed: tuple[Mapping[str, str], ...]
    seconds: float
    cost: float | None
    destroyed: bool = True


def plan_absent(
    cloud: Scaleway, name: str, offers: Sequence[Offer] = (), *, unfinished_only: bool = False
) -> Plan:
    """What `absent` would remove, without removing it."""
    zones = in_zones(offer.zone for offer in offers)
    found = servers(cloud, zones, tags.owner(tags.checked_name(name)))
    spared = _ready(found) if unfinished_only else None
    if spared is not None:
        return Plan((), shown(spared), shown(spared))
    left = of_instance(resources(cloud, zones), name)
    actions = [f"remove server {one.id} in {one.zone}" for one in found]
    actions += [f"remove {one.kind} {one.id} in {one.zone}" for one in left]
    before: dict[str, Any] = shown(found[0]) if found else {}
    if actions:
        before["belongings"] = sorted(f"{one.kind} {one.name}" for one in left)
    return Plan(tuple(actions), before, {})


def absent(
    cloud: Scaleway,
    name: str,
    offers: Sequence[Offer] = (),
    *,
    timeout: float = 600.0,
    poll: float = 2.0,
    unfinished_only: bool = False,
) -> Removed:
    """Take away everything that was made for this name, in every zone: servers, volumes, IPs, group.

    Also what an interrupted creation or an interrupted removal left. A volume that somebody attached by hand
    and that is not ours stays. Whatever can be removed is removed, even if something else cannot.

    Args:
        unfinished_only: spare a server that was once ready, with all that belongs to it: work may run on it,
            and it may hold the only copy of something.

    Raises:
        Permanent, Transient: the first thing that could not be removed, with all that is left in its hint.
    """
    zones = in_zones(offer.zone for offer in offers)
    found = servers(cloud, zones, tags.owner(tags.checked_name(name)))
    spared = _ready(found) if unfinished_only else None
    first = spared or (found[0] if found else None)
    seconds = seconds_since(cloud, first.created) if first else 0.0
    cost = _cost(cloud, first, seconds) if first else None
    if spared is not None:
        return Removed(Instance.of(spared), (), seconds, cost, destroyed=False)
    removed = remove_all(cloud, name, zones, cloud.clock.monotonic() + timeout, poll)
    return Removed(Instance.of(first) if first else None, tuple(removed), seconds, cost)


def _ready(found: Sequence[Server]) -> Server | None:
    return next((server for server in found if tags.CREATING not in server.tags), None)


def _cost(cloud: Scaleway, server: Server, seconds: float) -> float | None:
    """EUR, or None: a price that cannot be had must never keep an instance alive."""
    try:
        return rates_of(cloud, server).so_far(seconds)
    except MedialiftError:
        return None


def remove_all(
    cloud: Scaleway, name: str, zones: Sequence[str], deadline: float, poll: float
) -> list[dict[str, str]]:
    removed: list[dict[str, str]] = []
    errors: list[tuple[str, MedialiftError]] = []

    def attempt(kind: str, identifier: str, zone: str, label: str, remove: Callable[[], None]) -> None:
        try:
            remove()
        except MedialiftError as error:
            errors.append((f"{kind} {identifier} in {zone}", error))
        else:
            removed.append({"kind": kind, "id": identifier, "zone": zone, "name": label})

    boots: list[tuple[str, str, str]] = []
    for server in servers(cloud, zones, tags.owner(name)):
        boots += [(v.id, server.zone, v.kind) for v in server.volumes if v.boot and v.kind == "sbs_volume"]
        attempt(
            "server",
            server.id,
            server.zone,
            server.name,
            lambda server=server: _remove_server(cloud, server, deadline, poll),  # type: ignore[misc]
        )
    left = of_instance(resources(cloud, zones), name)
    ids = {one.id for one in left}
    left += [
        Resource("block_volume", volume, zone, root_volume_name(name), (tags.owner(name),))
        for volume, zone, _ in boots
        if volume not in ids
    ]
    for one in sorted(left, key=lambda one: one.kind == "security_group"):
        attempt(
            one.kind,
            one.id,
            one.zone,
            one.name,
            lambda one=one: _remove_resource(cloud, one, deadline, poll),  # type: ignore[misc]
        )
    if errors:
        subject, error = errors[0]
        rest = "; ".join(f"{what} ({why.what})" for what, why in errors)
        kind = Transient if isinstance(error, Transient) else Permanent
        raise kind(
            "Not everything of the instance could be removed", subject, f"Run again; left are: {rest}"
        ) from error
    return removed


def _remove_server(cloud: Scaleway, server: Server, deadline: float, poll: float) -> None:
    """Terminate a server and wait until it is gone. Its own local disks go with it."""
    asked = False

    def gone() -> bool:
        nonlocal asked
        try:
            now = Server.of(cloud.instance.get_server(server_id=server.id, zone=server.zone).server)
            if now.state in ("stopped", "stopped_in_place") and not asked:
                cloud.instance.delete_server(server_id=server.id, zone=server.zone)
                asked = True
            elif now.state == "running" and not asked:
                cloud.instance.server_action(server_id=server.id, zone=server.zone, action="terminate")
                asked = True
        except NotFound:
            return True
        except (Busy, Unanswered):
            # In passage, or perhaps carried out: look again.
            return False
        return False

    if not wait_for(cloud, gone, deadline, poll):
        raise Transient("The server is still there", f"{server.id} in {server.zone}", "Run again")


def _remove_resource(cloud: Scaleway, one: Resource, deadline: float, poll: float) -> None:
    instance = cloud.instance
    delete: Callable[[], Any] = {
        "ip": lambda: instance.delete_ip(ip=one.id, zone=one.zone),
        "block_volume": lambda: cloud.block.delete_volume(volume_id=one.id, zone=one.zone),
        "local_volume": lambda: instance.delete_volume(volume_id=one.id, zone=one.zone),
        "security_group": lambda: instance.delete_security_group(security_group_id=one.id, zone=one.zone),
    }[one.kind]
    last: list[MedialiftError] = []

    def gone() -> bool:
        try:
            delete()
        except NotFound:
            return True
        except Busy as error:
            # Still held by the server that is going.
            last[:] = [error]
            return False
        return True

    if not wait_for(cloud, gone, deadline, poll):
        raise last[0]

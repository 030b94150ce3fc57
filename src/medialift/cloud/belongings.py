"""What was made for an instance, in every zone: its server, addresses, volumes and security group.

All of it carries the tag `medialift:<name>`, except two volumes that the API makes by itself together with
a server: they are known by being its boot volume, or by the name that only medialift gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from . import tags
from .scaleway import NotFound, Scaleway

T = TypeVar("T")

# Requests to so many zones at once: quick, and far below any limit on the rate.
AT_ONCE = 5


@dataclass(frozen=True)
class Attached:
    """A volume of a server. `size` is 0 where the server's answer does not tell it."""

    id: str
    kind: str
    boot: bool
    size: int


@dataclass(frozen=True)
class Server:
    """A server as the API shows it, with what medialift needs of it."""

    id: str
    name: str
    zone: str
    project: str
    commercial_type: str
    state: str
    detail: str
    tags: tuple[str, ...]
    address: str
    created: datetime
    volumes: tuple[Attached, ...]

    @classmethod
    def of(cls, raw: Any) -> Server:
        """From the SDK's Server."""
        return cls(
            id=raw.id,
            name=raw.name,
            zone=raw.zone,
            project=raw.project,
            commercial_type=raw.commercial_type,
            state=str(raw.state),
            detail=raw.state_detail or "",
            tags=tuple(raw.tags),
            address=next((ip.address for ip in raw.public_ips or [] if ":" not in ip.address), ""),
            created=(raw.creation_date or datetime.now(UTC)).astimezone(UTC),
            volumes=tuple(
                Attached(volume.id, str(volume.volume_type), key == "0", volume.size or 0)
                for key, volume in sorted(raw.volumes.items())
            ),
        )


@dataclass(frozen=True)
class Resource:
    """Something beside the server. `kind`: ip, block_volume, local_volume or security_group."""

    kind: str
    id: str
    zone: str
    name: str
    tags: tuple[str, ...]
    in_use: bool = False


def root_volume_name(name: str) -> str:
    return f"medialift-{name}-root"


def servers(cloud: Scaleway, zones: Iterable[str], tag: str | None = None) -> list[Server]:
    """The servers in our project, of this tag if one is given; a zone that is not served has none."""
    project = cloud.account.project_id

    def of_zone(zone: str) -> list[Server]:
        found = cloud.instance.list_servers_all(zone=zone, project=project, tags=[tag] if tag else None)
        return [
            Server.of(raw) for raw in found if raw.project == project and (tag is None or tag in raw.tags)
        ]

    return _everywhere(of_zone, zones)


def resources(cloud: Scaleway, zones: Iterable[str]) -> list[Resource]:
    """Everything of our project that carries a tag of medialift, or a name that it gives to volumes."""
    return _everywhere(lambda zone: _of_zone(cloud, zone), zones)


def of_instance(found: Iterable[Resource], name: str) -> list[Resource]:
    """Those made for this instance."""
    tag = tags.owner(name)

    def ours(resource: Resource) -> bool:
        if tags.owner_of(resource.tags) is not None:
            return tag in resource.tags
        return resource.kind.endswith("_volume") and resource.name == root_volume_name(name)

    return [resource for resource in found if ours(resource)]


def _of_zone(cloud: Scaleway, zone: str) -> list[Resource]:
    project = cloud.account.project_id
    instance, block = cloud.instance, cloud.block
    found = [
        Resource("ip", ip.id, zone, ip.address, tuple(ip.tags or []), ip.server is not None)
        for ip in instance.list_ips_all(zone=zone, project=project)
        if ip.project == project
    ]
    found += [
        Resource("block_volume", volume.id, zone, volume.name, tuple(volume.tags), bool(volume.references))
        for volume in block.list_volumes_all(zone=zone, project_id=project, include_deleted=False)
        if volume.project_id == project
    ]
    found += [
        Resource(
            "local_volume", volume.id, zone, volume.name, tuple(volume.tags or []), volume.server is not None
        )
        for volume in instance.list_volumes_all(zone=zone, project=project)
        if volume.project == project
    ]
    found += [
        Resource("security_group", group.id, zone, group.name, tuple(group.tags), bool(group.servers))
        for group in instance.list_security_groups_all(zone=zone, project=project)
        if group.project == project
    ]
    return [
        resource
        for resource in found
        if tags.owner_of(resource.tags) is not None or resource.name.startswith("medialift-")
    ]


def _everywhere(of_zone: Callable[[str], Sequence[T]], zones: Iterable[str]) -> list[T]:
    def unless_unserved(zone: str) -> Sequence[T]:
        try:
            return of_zone(zone)
        except NotFound:
            return ()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [one for found in pool.map(unless_unserved, zones) for one in found]

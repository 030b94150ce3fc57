"""An instance that exists: what is told of it, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import pricing, tags
from .belongings import Server
from .scaleway import Scaleway


@dataclass(frozen=True)
class Instance:
    """An instance that exists. `known_hosts` is the line that lets ssh know it."""

    id: str
    name: str
    zone: str
    commercial_type: str
    state: str
    address: str
    tags: tuple[str, ...]
    created: datetime
    expires: datetime | None
    host_key: str
    known_hosts: str

    @classmethod
    def of(cls, server: Server) -> Instance:
        key = tags.host_key_of(server.tags)
        return cls(
            id=server.id,
            name=server.name,
            zone=server.zone,
            commercial_type=server.commercial_type,
            state=server.state,
            address=server.address,
            tags=tags.of_user(server.tags),
            created=server.created,
            expires=tags.expiry_of(server.tags),
            host_key=key.public if key else "",
            known_hosts=key.known_hosts(server.address) if key and server.address else "",
        )

    def to_dict(self) -> dict[str, Any]:
        plain = {name: value for name, value in vars(self).items()}
        return {
            **plain,
            "tags": list(self.tags),
            "created": self.created.isoformat(),
            "expires": self.expires.isoformat() if self.expires else None,
        }


@dataclass(frozen=True)
class Plan:
    """What `present` or `absent` would do.

    Args:
        actions: sentences; empty when all is as wanted.
        before, after: what a person would compare; {} where there is nothing.
    """

    actions: tuple[str, ...]
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    refused: tuple[str, ...] = ()

    @property
    def changes(self) -> int:
        return len(self.actions)

    def diff(self) -> dict[str, Any]:
        return {"before": dict(self.before), "after": dict(self.after)}


def shown(server: Server) -> dict[str, Any]:
    return {
        "id": server.id,
        "name": server.name,
        "zone": server.zone,
        "commercial_type": server.commercial_type,
        "state": server.state,
        "address": server.address,
        "tags": sorted(tags.of_user(server.tags)),
        "expires": expiry(server.tags),
    }


def expiry(all_tags: Sequence[str]) -> str | None:
    at = tags.expiry_of(all_tags)
    return at.isoformat() if at else None


def seconds_since(cloud: Scaleway, at: datetime) -> float:
    return max(0.0, cloud.clock.now() - at.timestamp())


def rates_of(cloud: Scaleway, server: Server) -> pricing.Rates:
    disks = []
    for volume in server.volumes:
        if volume.kind == "sbs_volume":
            block = cloud.block.get_volume(volume_id=volume.id, zone=server.zone)
            iops = block.specs.perf_iops if block.specs else 5000
            disks.append(pricing.Disk(volume.kind, block.size, iops))
        else:
            disks.append(pricing.Disk(volume.kind, volume.size))
    return pricing.rates(cloud, server.zone, server.commercial_type, disks, 1 if server.address else 0)

"""What an instance costs, in EUR: server, block volumes and public IPv4, per hour and so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from medialift.errors import Permanent

from .scaleway import NotFound, Scaleway

# The price of a flexible IPv4 is in no API of the SDK: https://www.scaleway.com/en/pricing/network/
IPV4_PER_HOUR = 0.004
GB = 1_000_000_000


@dataclass(frozen=True)
class Disk:
    """A disk to be paid. `kind` is `sbs_volume` or `l_ssd`, `size` in bytes, `iops` of a block volume."""

    kind: str
    size: int
    iops: int = 5000


@dataclass(frozen=True)
class Rates:
    """EUR per hour.

    Args:
        server, volumes, addresses: the three parts.
        unpriced: what the API tells no price for; it is not in the sum.
    """

    server: float
    volumes: float
    addresses: float
    unpriced: tuple[str, ...] = ()

    @property
    def hourly(self) -> float:
        return round(self.server + self.volumes + self.addresses, 6)

    def so_far(self, seconds: float) -> float:
        """EUR for so many seconds. Scaleway bills by the started hour or minute: this is the lower bound."""
        return round(self.hourly * max(0.0, seconds) / 3600, 4)

    def to_dict(self) -> dict[str, Any]:
        return {
            "server": self.server,
            "volumes": round(self.volumes, 6),
            "addresses": self.addresses,
            "hourly": self.hourly,
            "currency": "EUR",
            "unpriced": list(self.unpriced),
        }


def server_types(cloud: Scaleway, zone: str) -> dict[str, Any]:
    """The types sold in a zone: name -> the SDK's ServerType (hourly_price, ncpus, ram, …).

    Raises:
        Permanent: there is no such zone.
    """
    return _paged(zone, cloud.instance.list_servers_types)


def availability(cloud: Scaleway, zone: str) -> dict[str, str]:
    """name -> available, scarce or shortage."""
    stock = _paged(zone, cloud.instance.get_server_types_availability)
    return {name: str(entry.availability) for name, entry in stock.items()}


def _paged(zone: str, ask: Any) -> dict[str, Any]:
    """All pages of a list that is a dictionary: the SDK has no `_all` for these."""
    found: dict[str, Any] = {}
    number = 1
    while True:
        try:
            part = ask(zone=zone, page=number, per_page=100).servers
        except NotFound as error:
            raise Permanent("Scaleway has no such zone", zone, "Zones look like fr-par-1") from error
        new = {name: entry for name, entry in part.items() if name not in found}
        if not new:  # empty, or an API that ignores the page number
            return found
        found |= new
        number += 1


def rates(cloud: Scaleway, zone: str, commercial_type: str, disks: Iterable[Disk], addresses: int) -> Rates:
    """What a server of this type with these disks and public IPv4 addresses costs.

    Raises:
        Permanent: there is no such zone, or no such type in it.
    """
    sold = server_types(cloud, zone)
    if commercial_type not in sold:
        raise Permanent("Scaleway does not sell this type in the zone", f"{commercial_type} in {zone}")
    per_gb = _block_prices(cloud, zone)
    volumes, unpriced = 0.0, []
    for disk in disks:
        price = per_gb.get(disk.iops) if disk.kind == "sbs_volume" else None
        if price is None:
            unpriced.append(f"{disk.kind} of {disk.size // GB} GB")
        else:
            volumes += price * disk.size / GB
    return Rates(
        server=float(sold[commercial_type].hourly_price),
        volumes=volumes,
        addresses=addresses * IPV4_PER_HOUR,
        unpriced=tuple(unpriced),
    )


def _block_prices(cloud: Scaleway, zone: str) -> Mapping[int, float]:
    """IOPS class -> EUR per GB and hour."""
    prices = {}
    for kind in cloud.block.list_volume_types_all(zone=zone):
        if kind.pricing is not None and kind.specs is not None and kind.pricing.currency_code == "EUR":
            prices[int(kind.specs.perf_iops)] = kind.pricing.units + kind.pricing.nanos / 1e9
    return prices

"""Reverse proxies: what they say of a request is believed only when it comes from a listed address."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers

from medialift.errors import Permanent

_Address = IPv4Address | IPv6Address


class Proxies:
    """The reverse proxies that are believed.

    Args:
        addresses: their addresses, and networks such as 10.0.0.0/24.
        header: in which they name who has logged in with them; "": in none.

    Raises:
        Permanent: one of the addresses is none.
    """

    def __init__(self, addresses: Sequence[str], header: str = "") -> None:
        self._networks = tuple(map(_network, addresses))
        self._header = header

    @property
    def name_people(self) -> bool:
        """Whether they may tell who has logged in."""
        return bool(self._networks and self._header)

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self._networks)

    def believed(self, peer: str) -> bool:
        """Whether the connection comes from one of them."""
        address = _address(peer)
        return address is not None and any(
            address.version == network.version and address in network for network in self._networks
        )

    def client(self, peer: str, headers: Headers) -> str:
        """The address that a request came from: the last one that no proxy of ours stands for.

        What stands left of it in X-Forwarded-For is whatever the client wrote there.
        """
        found = peer
        hops = [hop.strip() for line in headers.getlist("x-forwarded-for") for hop in line.split(",")]
        while hops and self.believed(found):
            address = _address(_without_port(hops.pop()))
            if address is None:
                break
            found = str(address)
        return found

    def secure(self, peer: str, headers: Headers, scheme: str) -> bool:
        """Whether the browser came by https."""
        if self.believed(peer) and "x-forwarded-proto" in headers:
            return headers["x-forwarded-proto"].rpartition(",")[2].strip().lower() == "https"
        return scheme == "https"

    def host(self, peer: str, headers: Headers) -> str:
        """The host that the browser asked, with its port when it is an unusual one."""
        told = headers.get("x-forwarded-host", "") if self.believed(peer) else ""
        return told.rpartition(",")[2].strip() or headers.get("host", "")

    def named(self, peer: str, headers: Headers) -> str:
        """Whom the proxy lets in; "" when it names nobody.

        Raises:
            Permanent: it names more than one: somebody else than the proxy has put a name there.
        """
        if not (self._header and self.believed(peer)):
            return ""
        named = headers.getlist(self._header)
        if len(named) > 1:
            raise Permanent(
                "The proxy names more than one person",
                self._header,
                "Have it overwrite this header, not add to what a client sent",
            )
        return named[0].strip() if named else ""


def _network(given: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(given.strip(), strict=False)
    except ValueError as error:
        raise Permanent(
            "This is no address of a proxy",
            given,
            "Write dashboard.proxy_addresses as 10.0.0.7 or 10.0.0.0/24",
        ) from error


def _address(given: str) -> _Address | None:
    try:
        found = ip_address(given.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _without_port(hop: str) -> str:
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop

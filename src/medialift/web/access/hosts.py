"""Names and addresses of this host itself: who is not on it is told apart from who is."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


def is_loopback(host: str) -> bool:
    """Whether only programs on this host reach a server that listens there, or come from there."""
    if host.lower() in ("localhost", "localhost."):
        return True
    try:
        address = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def is_local_name(header: str) -> bool:
    """Whether a Host header names this host itself.

    A page of another site can have its own name resolve to 127.0.0.1 and so reach a server that only listens
    there (DNS rebinding); the browser then still sends that name.
    """
    return is_loopback(host_of(header))


def host_of(netloc: str) -> str:
    """`example.org:8790` without its port, `[::1]:8790` without that and the brackets."""
    if netloc.startswith("["):
        return netloc[1:].partition("]")[0].lower()
    return netloc.partition(":")[0].lower()


def same(netloc: str) -> str:
    """A host and port to compare by: in small letters, without the usual ports."""
    return netloc.strip().lower().removesuffix(":80").removesuffix(":443")

"""The network that the sandbox's machines share with its services on the host."""

from __future__ import annotations

from medialift.errors import Permanent

from .docker import docker, inspect
from .settings import LABEL, NETWORK, Settings


def ensure(settings: Settings) -> None:
    """Make the network, or find it as it should be.

    Raises:
        Permanent: a network of that name is not ours, is in use with another subnet, or the subnet clashes.
    """
    found = inspect("network", NETWORK)
    if found is not None:
        subnets = [entry.get("Subnet") for entry in found["IPAM"]["Config"]]
        if subnets == [str(settings.subnet)]:
            return
        if LABEL not in found["Labels"] or found["Containers"]:
            raise Permanent(
                f"A Docker network of this name has the subnet {', '.join(map(str, subnets))}",
                NETWORK,
                "Run python -m sandbox down, or remove it if you made it",
            )
        docker("network", "rm", NETWORK)
    try:
        docker(
            *("network", "create", "--driver", "bridge", "--label", f"{LABEL}=network"),
            *("--subnet", str(settings.subnet), "--gateway", settings.gateway, NETWORK),
        )
    except Permanent as fault:
        if "overlap" in fault.what.lower():
            raise Permanent(
                "Another network of this machine overlaps the sandbox's",
                str(settings.subnet),
                "Choose a free /24 with the environment variable MEDIALIFT_SANDBOX_SUBNET",
            ) from fault
        raise


def remove() -> None:
    """Remove it. No fault when it is gone already."""
    found = inspect("network", NETWORK)
    if found is not None and LABEL in found["Labels"]:
        docker("network", "rm", NETWORK)

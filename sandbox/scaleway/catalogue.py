"""What the stand-in sells and to whom: zones, server types, images, prices, and the one account it knows.

Types, sizes and prices are in the order of the real ones of 2026; they are the sandbox's own figures.
"""

from __future__ import annotations

from dataclasses import dataclass

# The SDK checks the shapes: SCW and 17 letters or digits, and UUIDs.
ACCESS_KEY = "SCWSANDBOX0000000001"
SECRET_KEY = "5a9db0c5-0000-4000-8000-00000000c0de"
ORGANIZATION = "5a9db0c5-0000-4000-8000-0000000000a0"
PROJECT = "5a9db0c5-0000-4000-8000-0000000000b0"
# An IAM application that may use the object store and nothing else.
STORE_APPLICATION = "5a9db0c5-0000-4000-8000-0000000000c0"

ZONES = (
    *("fr-par-1", "fr-par-2", "fr-par-3"),
    *("nl-ams-1", "nl-ams-2", "nl-ams-3"),
    *("pl-waw-1", "pl-waw-2", "pl-waw-3"),
)

GB = 1_000_000_000
GIB = 1 << 30


@dataclass(frozen=True)
class ServerType:
    """A commercial type. `local_disk`: whether it may have `l_ssd` volumes at all."""

    ncpus: int
    ram: int
    hourly_price: float
    local_disk: bool = False


TYPES = {
    "DEV1-S": ServerType(2, 2 * GIB, 0.0088, local_disk=True),
    "DEV1-L": ServerType(4, 8 * GIB, 0.0495, local_disk=True),
    "PLAY2-NANO": ServerType(2, 4 * GIB, 0.027),
    "PLAY2-MICRO": ServerType(4, 8 * GIB, 0.054),
    "PRO2-XS": ServerType(4, 16 * GIB, 0.11),
    "PRO2-S": ServerType(8, 32 * GIB, 0.219),
    "PRO2-M": ServerType(16, 64 * GIB, 0.438),
    "PRO2-L": ServerType(32, 128 * GIB, 0.877),
}

# Block storage, EUR per GB and hour, by IOPS class.
VOLUME_PRICES = {"sbs_5k": 0.000118, "sbs_15k": 0.000177}
SMALLEST_ROOT = 10 * GB

IMAGES = {"debian_bookworm": "Debian Bookworm", "ubuntu_noble": "Ubuntu 24.04 Noble Numbat"}


def image_id(label: str, zone: str, kind: str) -> str:
    """Every zone has its own id of every image, one for local and one for block disks."""
    place = ZONES.index(zone) * 16 + sorted(IMAGES).index(label) * 2 + (kind == "instance_sbs")
    return f"5a9db0c5-0000-4000-8000-0000001{place:05x}"


def image_label(identifier: str, zone: str) -> str | None:
    """The label of an image id of this zone."""
    for label in IMAGES:
        if identifier in (image_id(label, zone, "instance_sbs"), image_id(label, zone, "instance_local")):
            return label
    return None

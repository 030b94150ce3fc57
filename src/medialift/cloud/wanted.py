"""The instance that is wanted: its options, checked, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medialift.errors import Permanent
from medialift.foundation.units import parse_duration, parse_size

from . import cloudinit, tags
from .scaleway import Account, Limits

_ZONE = re.compile(r"[a-z]{2}-[a-z]{3}-\d")


@dataclass(frozen=True)
class Offer:
    """A place to try: a type in a zone."""

    zone: str
    commercial_type: str

    def __str__(self) -> str:
        return f"{self.commercial_type} in {self.zone}"


@dataclass(frozen=True)
class Volume:
    """A disk to make. `size` in bytes; `iops` counts for block volumes (`sbs_volume`) only."""

    name: str
    size: int
    kind: str = "sbs_volume"
    iops: int = 5000


@dataclass(frozen=True)
class Wanted:
    """The instance that is wanted.

    Args:
        offers: tried in this order; the next one when the one before is out of stock or over a quota.
        image: a label of the marketplace (`debian_bookworm`) or an image's id.
        authorized_keys: public keys that may log in as root.
        sources: networks (CIDR) that may reach SSH; everything else from outside is dropped.
        cloud_config: more of cloud-config.
        lifetime: seconds from its creation until the reaper may take it.
        extend: at a rerun, count `lifetime` from now.
        tags: the user's own.
        private_key: a file on the controller to log in with, or None for the SSH agent.
        ssh_port: where the image's sshd listens.
        timeout: seconds for all waiting.
        poll: seconds between two looks.
        wait_for_boot: wait until cloud-init has ended, not only until SSH lets us in.
    """

    name: str
    offers: tuple[Offer, ...]
    image: str
    authorized_keys: tuple[str, ...]
    lifetime: float
    root_volume: Volume
    extra_volumes: tuple[Volume, ...] = ()
    sources: tuple[str, ...] = ("0.0.0.0/0",)
    cloud_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    extend: bool = False
    tags: tuple[str, ...] = ()
    private_key: Path | None = None
    ssh_port: int = 22
    timeout: float = 600.0
    poll: float = 2.0
    wait_for_boot: bool = True


def account_from(options: Mapping[str, Any]) -> Account:
    """The account from plain options: access_key, secret_key, organization_id, project_id, api_url."""
    limits = Limits(read=float(options.get("api_timeout") or Limits.read))
    return Account(
        access_key=str(options.get("access_key") or ""),
        secret_key=str(options.get("secret_key") or ""),
        organization_id=str(options.get("organization_id") or ""),
        project_id=str(options.get("project_id") or ""),
        api_url=str(options.get("api_url") or Account.api_url),
        limits=limits,
    )


def wanted_from(options: Mapping[str, Any]) -> Wanted:
    """The instance from plain options, as a module or a settings file has them.

    Sizes and durations are strings such as `20 GB` and `6h`.

    Raises:
        Permanent: something is missing or malformed; says what.
    """
    root = options.get("root_volume") or {}
    offers = tuple(
        Offer(str(one["zone"]), str(one["commercial_type"])) for one in options.get("offers") or []
    )
    if not offers:
        raise Permanent("No zone and type to try", "offers", "Give at least one zone and commercial type")
    for offer in offers:
        if not _ZONE.fullmatch(offer.zone):
            raise Permanent("This is not the name of a zone", offer.zone, "Zones look like fr-par-1")
    extra = tuple(_volume(one, str(one["name"])) for one in options.get("extra_volumes") or [])
    if any(volume.kind != "sbs_volume" for volume in extra):
        raise Permanent("Extra volumes are block volumes", "extra_volumes", "Leave out their type")
    names = [volume.name for volume in extra]
    if len(set(names)) < len(names) or "root" in names:
        raise Permanent("Two volumes have the same name", ", ".join(names), "Name each once, and none root")
    authorized_keys = tuple(str(key).strip() for key in options.get("authorized_keys") or [])
    cloud_config = dict(options.get("cloud_config") or {})
    cloudinit.check(authorized_keys, cloud_config)
    private_key = Path(options["private_key_file"]).expanduser() if options.get("private_key_file") else None
    if private_key is not None and not private_key.is_file():
        raise Permanent("The private SSH key is not there", str(private_key), "Give the key that may log in")
    return Wanted(
        name=tags.checked_name(str(options["name"])),
        offers=offers,
        image=str(options.get("image") or "debian_bookworm"),
        authorized_keys=authorized_keys,
        lifetime=parse_duration(options.get("lifetime") or "24h"),
        root_volume=_volume({"size": "20 GB", **{k: v for k, v in root.items() if v is not None}}, "root"),
        extra_volumes=extra,
        sources=tuple(options.get("ssh_sources") or ("0.0.0.0/0",)),
        cloud_config=cloud_config,
        extend=bool(options.get("extend")),
        tags=tuple(sorted({str(tag) for tag in options.get("tags") or []})),
        private_key=private_key,
        ssh_port=int(options.get("ssh_port") or 22),
        timeout=parse_duration(options.get("timeout") or "10m"),
        poll=parse_duration(options.get("poll") or "2s"),
        wait_for_boot=bool(options.get("wait_for_boot", True)),
    )


def _volume(options: Mapping[str, Any], name: str) -> Volume:
    kind = str(options.get("type") or options.get("kind") or "sbs_volume")
    return Volume(name, parse_size(options["size"]), kind, int(options.get("iops") or 5000))

"""What an instance is told at its first boot: its host key, who may log in, and what the user adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from medialift.errors import Permanent

from .hostkey import HostKey

# Set here, and nowhere else: a second value would undo the strict checking of the host key.
OURS = ("ssh_keys", "ssh_deletekeys", "disable_root", "users", "hostname")


def check(authorized_keys: Sequence[str], extra: Mapping[str, Any]) -> None:
    """Refuse what cannot be rendered, before anything is made and paid for.

    Raises:
        Permanent: `extra` sets something of `OURS`, or there is no authorised key.
    """
    clash = sorted(set(extra) & set(OURS))
    if clash:
        raise Permanent(
            "The cloud-config sets what medialift sets itself", ", ".join(clash), "Leave these keys out"
        )
    if not authorized_keys:
        raise Permanent(
            "No SSH key may log in to the instance", "authorized_keys", "Give at least one public key"
        )
    for key in authorized_keys:
        if "PRIVATE KEY" in key or len(key.split()) < 2:
            raise Permanent(
                "This is not a public SSH key", "authorized_keys", "Give lines such as ssh-ed25519 AAAA…"
            )


def render(
    *, hostname: str, host_key: HostKey, authorized_keys: Sequence[str], extra: Mapping[str, Any]
) -> bytes:
    """The user data, `#cloud-config`. They hold the private host key: a secret.

    Args:
        authorized_keys: public keys that may log in as root.
        extra: more of cloud-config, such as `packages` or `runcmd`.

    Raises:
        Permanent: as `check`.
    """
    check(authorized_keys, extra)
    config = {
        **extra,
        "hostname": hostname,
        "disable_root": False,
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": host_key.private, "ed25519_public": host_key.public},
        "users": [{"name": "root", "ssh_authorized_keys": list(authorized_keys)}],
    }
    return b"#cloud-config\n" + yaml.safe_dump(config, sort_keys=True).encode()

"""The sandbox's SSH keys: those of its machines and the one that lets the controller in."""

from __future__ import annotations

from medialift.cloud import hostkey
from medialift.cloud.hostkey import HostKey
from medialift.foundation.atomic import write_text

from .settings import Settings


def key_pair(settings: Settings, name: str) -> HostKey:
    """The key pair of this name, made at its first use. The public half beside it is for `ssh` and people."""
    private = settings.ssh_key.parent / name
    public = private.with_name(name + ".pub")
    if private.is_file() and public.is_file():
        return HostKey(public=public.read_text().strip(), private=private.read_text())
    private.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = hostkey.make()
    write_text(private, key.private, mode=0o600)
    write_text(public, key.public + "\n")
    return key

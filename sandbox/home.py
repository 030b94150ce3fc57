"""The home server: a machine that is always on, known by a host key that the sandbox made."""

from __future__ import annotations

from medialift.cloud import cloudinit, hostkey
from medialift.cloud.hostkey import HostKey
from medialift.foundation.atomic import write_text

from .machines import Machine, UserData, remove
from .settings import CLOUD_IMAGE, HOME_NAME, LABEL, Settings


def start(settings: Settings) -> Machine:
    """Have it running, reachable by `settings.ssh_key` and listed in `settings.known_hosts`.

    Raises:
        Transient: it did not come up in time.
        Permanent: Docker or cloud-init failed.
    """
    host_key = _key(settings, "home_host_ed25519")
    user_key = _key(settings, settings.ssh_key.name)
    write_text(settings.known_hosts, host_key.known_hosts(settings.home) + "\n")
    seed = UserData(
        instance_id="home",
        hostname="home",
        content=cloudinit.render(
            hostname="home", host_key=host_key, authorized_keys=[user_key.public], extra={}
        ),
    )
    machine = Machine.start(
        HOME_NAME, settings.home, seed, image=CLOUD_IMAGE, labels={LABEL: "home"}, settings=settings
    )
    machine.wait_for_ssh()
    machine.wait_for_boot()
    return machine


def reset(settings: Settings) -> Machine:
    """A home server on which nothing was ever installed, with the host key it had."""
    remove(HOME_NAME, settings)
    return start(settings)


def _key(settings: Settings, name: str) -> HostKey:
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

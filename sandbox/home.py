"""The home server: a machine that is always on, known by a host key that the sandbox made."""

from __future__ import annotations

from medialift.cloud import cloudinit
from medialift.foundation.atomic import write_text

from .keys import key_pair
from .machines import Machine, UserData, remove
from .settings import CLOUD_IMAGE, HOME_NAME, LABEL, Settings


def start(settings: Settings) -> Machine:
    """Have it running, reachable by `settings.ssh_key` and listed in `settings.known_hosts`.

    Raises:
        Transient: it did not come up in time.
        Permanent: Docker or cloud-init failed.
    """
    host_key = key_pair(settings, "home_host_ed25519")
    user_key = key_pair(settings, settings.ssh_key.name)
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

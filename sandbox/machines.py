"""Machines: containers that run systemd, sshd and real cloud-init, and stand for servers.

The home server and every instance of the Scaleway stand-in are made here. What a machine is told at its
first boot goes through cloud-init's NoCloud source, as a provider's user data would.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from medialift.errors import Permanent, Transient
from medialift.foundation.waiting import wait_until

from .docker import docker, inspect
from .settings import CLOUD_IMAGE, LABEL, NETWORK, Settings

FINGERPRINT = "medialift.fingerprint"


@dataclass(frozen=True)
class UserData:
    """What cloud-init is told at the first boot.

    Args:
        instance_id: a new id makes cloud-init treat the machine as new.
        hostname: its local host name.
        content: the user data as the provider got them, usually `#cloud-config…`. May hold a host key.
    """

    instance_id: str
    hostname: str
    content: bytes


@dataclass(frozen=True)
class Machine:
    """A machine that was started. `address` is fixed for its life."""

    name: str
    address: str

    @classmethod
    def start(
        cls,
        name: str,
        ip: str,
        seed: UserData,
        image: str = CLOUD_IMAGE,
        labels: Mapping[str, str] | None = None,
        memory: int | None = None,
        settings: Settings | None = None,
    ) -> Machine:
        """Start the machine, or find it running; a machine made from anything else is replaced.

        Returns as soon as the container runs: see `wait_for_ssh` and `wait_for_boot`.

        Args:
            labels: added to the container; `medialift.sandbox` says what it is (default `machine`).
            memory: bytes; no limit when None.

        Raises:
            Permanent: Docker refused, for instance because the address is taken.
        """
        settings = settings or Settings.load()
        made_from = inspect("image", image)
        if made_from is None:
            raise Permanent("The machine's image is missing", image, "Run python -m sandbox images")
        fingerprint = _fingerprint(made_from["Id"], ip, seed, memory)
        found = inspect("container", name)
        if found is not None:
            if found["Config"]["Labels"].get(FINGERPRINT) == fingerprint:
                if not found["State"]["Running"]:
                    docker("start", name)
                return cls(name, ip)
            remove(name, settings)
        folder = _write_seed(name, seed, settings)
        wanted = {LABEL: "machine", **(labels or {}), FINGERPRINT: fingerprint}
        # --privileged is refused where SYS_RESOURCE is missing from the bounding set: these three suffice.
        docker(
            *("run", "--detach", "--name", name, "--hostname", seed.hostname, "--restart", "always"),
            *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_PTRACE"),
            *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
            *("--device", "/dev/fuse", "--cgroupns", "host"),
            *("--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp:exec"),
            *("--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
            # An anonymous volume dies with the container; a named one survives `docker rm --volumes`.
            *("--volume", "/var/lib/docker"),
            *("--volume", f"{folder}:/var/lib/cloud/seed/nocloud:ro"),
            *("--network", NETWORK, "--ip", ip),
            *(("--memory", str(memory)) if memory else ()),
            *(part for key, value in wanted.items() for part in ("--label", f"{key}={value}")),
            image,
        )
        return cls(name, ip)

    def remove(self, settings: Settings | None = None) -> None:
        """Remove it with its disks. No fault when it is gone already."""
        remove(self.name, settings or Settings.load())

    def stop(self) -> None:
        """Power it off; its disk stays, and `start` with the same arguments boots it again."""
        docker("stop", "--time", "10", self.name)

    def state(self) -> str:
        """`absent`, or Docker's word: `running`, `exited`, `restarting`…"""
        found = inspect("container", self.name)
        return "absent" if found is None else str(found["State"]["Status"])

    def wait_for_ssh(self, at_most: float = 60) -> None:
        """Wait until sshd greets.

        Raises:
            Transient: it did not within `at_most` seconds.
        """
        if not wait_until(lambda: _greets(self.address), at_most=at_most, every=0.1):
            raise Transient(f"No SSH server greeted within {at_most:.0f} s", f"{self.name} ({self.address})")

    def wait_for_boot(self, at_most: float = 120) -> None:
        """Wait until cloud-init has done all it was told.

        Raises:
            Transient: it did not within `at_most` seconds.
            Permanent: cloud-init ended with errors.
        """

        def settled() -> bool:
            try:
                said = docker("exec", self.name, "cat", "/run/cloud-init/result.json")
            except Permanent:  # not written yet: cloud-init makes this file as its last act
                return False
            errors = json.loads(said)["v1"]["errors"]
            if errors:
                raise Permanent(f"cloud-init ended with errors ({errors})", self.name)
            return True

        if not wait_until(settled, at_most=at_most, every=0.2):
            raise Transient(f"cloud-init did not end within {at_most:.0f} s", self.name)


def remove(name: str, settings: Settings) -> None:
    """Remove a machine by its name, with its disks and its seed. No fault when it is gone already."""
    if inspect("container", name) is not None:
        docker("rm", "--force", "--volumes", name)
    shutil.rmtree(settings.state / "machines" / name, ignore_errors=True)


def _fingerprint(image_id: str, ip: str, seed: UserData, memory: int | None) -> str:
    parts = (
        image_id,
        ip,
        seed.instance_id,
        seed.hostname,
        str(memory),
        hashlib.sha256(seed.content).hexdigest(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _write_seed(name: str, seed: UserData, settings: Settings) -> str:
    folder = settings.state / "machines" / name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = {
        "meta-data": json.dumps({"instance-id": seed.instance_id, "local-hostname": seed.hostname}).encode(),
        "user-data": seed.content,
    }
    for file, content in files.items():
        path = folder / file
        path.touch(mode=0o600)
        path.write_bytes(content)
    return str(folder)


def _greets(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:  # not listening yet
        return False

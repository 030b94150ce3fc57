"""What the stand-in asks for when a server is switched on: a machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sandbox.machines import Machine, UserData
from sandbox.machines import remove as remove_machine
from sandbox.settings import LABEL, Settings


@dataclass(frozen=True)
class Order:
    """A machine to boot. `user_data` is what was stored under the key cloud-init; it may be empty."""

    server_id: str
    hostname: str
    address: str
    user_data: bytes


class Boot(Protocol):
    """The border between the API and the machines behind it."""

    def start(self, order: Order) -> None:
        """Start the machine, or start it again with the disk it had. Raises when it cannot."""
        ...

    def stop(self, server_id: str) -> None:
        """Switch it off and keep its disk."""
        ...

    def remove(self, server_id: str) -> None:
        """Remove it and its disk. No fault when it is gone already."""
        ...


def machine_name(server_id: str) -> str:
    """The container behind a server."""
    return f"medialift-instance-{server_id[:8]}"


class MachineBoot:
    """Boots containers with systemd, cloud-init and sshd (`sandbox.machines`)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def start(self, order: Order) -> None:
        seed = UserData(
            instance_id=order.server_id,
            hostname=order.hostname,
            content=order.user_data or b"#cloud-config\n{}\n",
        )
        Machine.start(
            machine_name(order.server_id),
            order.address,
            seed,
            labels={LABEL: "instance", "medialift.server": order.server_id},
            settings=self._settings,
        )

    def stop(self, server_id: str) -> None:
        machine = Machine(machine_name(server_id), "")
        if machine.state() != "absent":
            machine.stop()

    def remove(self, server_id: str) -> None:
        remove_machine(machine_name(server_id), self._settings)


class NoBoot:
    """Boots nothing: for looking at the API alone."""

    def start(self, order: Order) -> None:
        pass

    def stop(self, server_id: str) -> None:
        pass

    def remove(self, server_id: str) -> None:
        pass

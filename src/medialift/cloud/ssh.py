"""When an instance can be logged in to: SSH with the one host key that it must have, and cloud-init done."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import paramiko

from medialift.errors import Permanent, Transient, Unsafe
from medialift.foundation.waiting import Clock, SystemClock, wait_until

from .hostkey import TYPE, HostKey

CONNECT = 5.0
COMMAND = 15.0


@dataclass(frozen=True)
class Door:
    """Where and how to log in.

    Args:
        private_key: a file on the controller; None tries the SSH agent.
    """

    address: str
    host_key: HostKey
    port: int = 22
    user: str = "root"
    private_key: Path | None = None


def wait_until_ready(
    door: Door, *, at_most: float, every: float = 1.0, clock: Clock | None = None, boot: bool = True
) -> None:
    """Wait until the door opens and, with `boot`, until cloud-init has ended well.

    Raises:
        Unsafe: to the end, something with another host key answered.
        Transient: nobody let us in in time; says why at the last try.
        Permanent: cloud-init ended with an error, or the private key has a passphrase.
    """
    last: list[Exception] = []

    def ready() -> bool:
        try:
            _look(door, boot)
        except (Transient, Unsafe) as error:
            last[:] = [error]
            return False
        return True

    if not wait_until(ready, at_most=at_most, every=every, clock=clock or SystemClock()):
        raise last[0]


def _look(door: Door, boot: bool) -> None:
    where = f"{door.user}@{door.address}:{door.port}"
    with paramiko.SSHClient() as client:
        # Only the injected key, whatever the files of this user say. While it boots, an image may show
        # another one for a moment: so a wrong key counts only when it stays.
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        name = door.address if door.port == 22 else f"[{door.address}]:{door.port}"
        known = paramiko.Ed25519Key(data=base64.b64decode(door.host_key.blob))
        client.get_host_keys().add(name, TYPE, known)
        try:
            client.connect(
                door.address,
                port=door.port,
                username=door.user,
                key_filename=str(door.private_key) if door.private_key else None,
                look_for_keys=False,
                allow_agent=door.private_key is None,
                timeout=CONNECT,
                banner_timeout=CONNECT,
                auth_timeout=COMMAND,
            )
        except paramiko.BadHostKeyException as error:
            raise Unsafe(
                "The instance shows another host key than the one it was given",
                f"{where} ({error.key.get_name()} {error.key.fingerprint})",
                "Somebody may stand between; remove the instance and make it anew",
            ) from None
        except paramiko.PasswordRequiredException:
            raise Permanent(
                "The private SSH key has a passphrase", str(door.private_key), "Load it into an SSH agent"
            ) from None
        except (paramiko.SSHException, OSError) as error:
            raise Transient(
                f"The instance does not let us in over SSH ({type(error).__name__}: {error})",
                where,
                "Check that its security group allows this machine, and that the key may log in",
            ) from None
        if boot:
            _boot_ended(lambda command: _run(client, command), where)


def _run(client: paramiko.SSHClient, command: str) -> str:
    try:
        _, out, _ = client.exec_command(command, timeout=COMMAND)
        return str(out.read().decode(errors="replace"))
    except (paramiko.SSHException, OSError) as error:
        raise Transient(f"A command over SSH did not end ({error})", command) from None


def _boot_ended(run: Callable[[str], str], where: str) -> None:
    """Raises Transient while cloud-init still works, Permanent when it failed."""
    said = run("cloud-init status --long 2>&1")
    status = next(
        (line.split(":", 1)[1].strip() for line in said.splitlines() if line.startswith("status:")), ""
    )
    if status.startswith("error"):
        raise Permanent(
            "cloud-init ended with an error", where, "See /var/log/cloud-init.log on the instance"
        )
    if status not in ("done", "disabled"):
        raise Transient(f"cloud-init has not ended ({status or said.strip()[:200] or 'no status'})", where)

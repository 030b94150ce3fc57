"""What systemd says of a unit."""

from __future__ import annotations

from medialift.errors import Permanent
from medialift.foundation.process import Runner


def shown(unit: str, name: str, *, runner: Runner, hint: str) -> str:
    """A property of a unit, such as MainPID or ActiveState; "" when systemd does not give it.

    Args:
        hint: what to do when there is no such unit.

    Raises:
        Permanent: there is no such unit, or systemd refuses.
        Transient: systemd does not answer.
    """
    told = runner(["systemctl", "show", "--property=LoadState", f"--property={name}", unit]).checked(
        "systemd does not answer"
    )
    values = dict(line.split("=", 1) for line in told.out.splitlines() if "=" in line)
    if values.get("LoadState") != "loaded":
        raise Permanent("There is no such service", unit, hint)
    return values.get(name, "")

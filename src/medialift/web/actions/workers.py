"""What is done to workers: paused and released by the healing of their host, or asked to end."""

from __future__ import annotations

from dataclasses import dataclass

from medialift.errors import Permanent
from medialift.healing import requests
from medialift.healing.requests import Wish
from medialift.queueing import workers
from medialift.web.actions.acting import Acting
from medialift.web.problems import Missing


@dataclass(frozen=True)
class Asked:
    """What came of it; `host`: whose healing does it, "" when nobody's has to."""

    changed: bool
    host: str = ""


def ask(acting: Acting, name: str, what: Wish, why: str = "") -> Asked:
    """Ask the healing of its host to pause or release a worker.

    Raises:
        Missing: there is no such worker.
    """
    try:
        host = requests.ask(acting.connection, name, what, who=acting.who, why=why.strip())
    except Permanent as error:
        raise Missing(error.what, error.subject, "See /api/v1/workers") from error
    return Asked(True, host)


def withdraw(acting: Acting, name: str) -> Asked:
    """Ask no more for what was asked of a worker and is not done."""
    _known(acting, name)
    return Asked(requests.withdraw(acting.connection, name, who=acting.who))


def drain(acting: Acting, name: str) -> Asked:
    """Have a worker finish what it has in hand and end; what runs it starts it again.

    Raises:
        Missing: there is no such worker.
    """
    asked = workers.drain(acting.connection, name=name, who=acting.who)
    if not asked:
        _known(acting, name)
    return Asked(bool(asked))


def _known(acting: Acting, name: str) -> None:
    if name not in {one.name for one in workers.listed(acting.connection)}:
        raise Missing("There is no such worker", name, "See /api/v1/workers")

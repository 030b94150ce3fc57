"""Whether the intake can work as it is set up: every fault at once, each with what to do about it.

Wrong values are refused when the settings are read. Here it is looked at what they name: folders, programs,
libraries, tokens, plug-ins, the ledger, the port.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial

from medialift.audiobooks.validating import libraries, places, reachable
from medialift.audiobooks.validating.fault import Fault, destination
from medialift.audiobooks.validating.values import values
from medialift.errors import Permanent, Transient
from medialift.settings import Settings

__all__ = ["Fault", "WrongSetUpError", "check", "require"]

_SECONDS = 30.0
"""A check that takes longer has failed: a mount that hangs never answers."""


class WrongSetUpError(Permanent):
    """Something of the set-up is wrong, and stays so until a person corrects it."""


_Look = tuple[str, Callable[[], Iterable[Fault]]]


def check(
    settings: Settings, *, ledger: bool = True, port: bool = True, plugins: bool = False
) -> list[Fault]:
    """Everything that is wrong, faults before warnings. Nothing is changed; a file is tried in each folder.

    Args:
        ledger: look whether the database answers, and is of this version.
        port: look whether the port of /health is free, or is answered by this very service.
        plugins: load the plug-ins, to see which would be left out. That runs them.
    """
    audiobooks = settings.audiobooks
    looks: list[_Look] = [
        ("audiobooks", partial(values, settings)),
        ("ffmpeg", partial(reachable.engine, audiobooks)),
        ("audiobooks.tagging", partial(reachable.tagging, audiobooks)),
        ("audiobooks.plugins", partial(reachable.plugins, audiobooks, load=plugins)),
        ("audiobooks", partial(places.nesting, audiobooks)),
    ]
    for name, path in places.folders(audiobooks):
        looks.append((f"audiobooks.{name}", partial(places.folder, name, path, audiobooks)))
    for name, wanted in audiobooks.destinations.items():
        looks.append((destination(name), partial(libraries.library, name, wanted, audiobooks)))
    if ledger:
        looks.append(("database", partial(reachable.ledger, settings)))
    if port and audiobooks.health_port:
        looks.append(("audiobooks.health_port", partial(reachable.port, audiobooks)))
    found = [fault for part in _looked(looks) for fault in part]
    return sorted(dict.fromkeys(found), key=lambda fault: fault.kind)


def require(settings: Settings, *, ledger: bool = True, port: bool = True) -> list[Fault]:
    """The warnings, when there is no fault.

    Raises:
        WrongSetUpError: there are faults; all of them are named, each with its fix.
        Transient: the same, and each of them may pass: a mount or the database is away.
    """
    found = check(settings, ledger=ledger, port=port)
    if faults := [fault for fault in found if fault.kind == "fault"]:
        kind = Transient if all(fault.passing for fault in faults) else WrongSetUpError
        raise kind(
            "The audiobooks are not set up right"
            if len(faults) == 1
            else f"{len(faults)} things of the audiobooks' set-up are wrong",
            "; ".join(f"{fault.where}: {fault.what}" for fault in faults),
            "; ".join(dict.fromkeys(fault.fix for fault in faults)),
        )
    return found


def _looked(looks: Sequence[_Look]) -> Iterator[list[Fault]]:
    """Every look, at once; none is waited for longer than half a minute."""
    pool = ThreadPoolExecutor(16, thread_name_prefix="validate")
    try:
        asked = [(where, pool.submit(_all, look)) for where, look in looks]
        wait([future for _, future in asked], timeout=_SECONDS)
        for where, future in asked:
            if future.done():
                yield future.result()
            else:
                why = f"it did not answer within {_SECONDS:g} s"
                yield [Fault(where, why, "Look whether a mount or a server hangs", passing=True)]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _all(look: Callable[[], Iterable[Fault]]) -> list[Fault]:
    return list(look())

"""The round that the doctor makes: every check in order; one that breaks is a finding of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from medialift.doctor import machine, media
from medialift.doctor.finding import FAIL, Finding
from medialift.doctor.host import Host
from medialift.errors import MedialiftError

CHECKS: tuple[Callable[[Host], Iterator[Finding]], ...] = (
    machine.settings_file,
    machine.docker,
    machine.fuse,
    machine.rclone,
    machine.mounts,
    machine.disk,
    machine.units,
    media.store,
    media.server,
    media.plex_sqlite,
)


def examine(host: Host) -> Iterator[Finding]:
    """Every finding, as it comes. It never raises: a check that breaks is reported, and the next one made."""
    for check in CHECKS:
        try:
            yield from check(host)
        except MedialiftError as error:
            yield Finding(
                check.__name__.replace("_", " "), FAIL, f"{error.what}: {error.subject}", error.hint
            )
        except Exception as error:  # a defect of one check must not hide what the others find
            yield Finding(
                check.__name__.replace("_", " "),
                FAIL,
                f"The check broke: {type(error).__name__}: {error}",
                "Report this as a defect",
            )

"""The support bundle: all that a host can tell about itself and its jobs, in one archive without secrets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medialift.diagnostics import host, known, logs
from medialift.diagnostics.host import Here
from medialift.diagnostics.logs import Collected, Sources
from medialift.diagnostics.part import Limits
from medialift.foundation.process import Runner
from medialift.settings import Loaded, Settings


def sources(here: Here, file: Path, also: Sequence[str] = (), *, patience: float = 10.0) -> Sources:
    """What is collected of a host, whatever it is: home, the machine of a burst, the controller.

    Args:
        file: the settings file.
        also: patterns of further files.
        patience: seconds without an answer after which a file is given up.
    """
    given = here.settings
    loaded = here.loaded if isinstance(here.loaded, Loaded) else None
    return Sources(
        files=[*patterns(given), *also],
        units=[given.plex.unit, "docker.service", "rclone-*", "medialift-*"],
        secrets=known.secrets(str(file), loaded, str(given.plex.data / "Preferences.xml"), patience=patience),
        more=[*host.about(here), *host.probes(here), *host.doctor(here)],
    )


def patterns(given: Settings) -> list[str]:
    """The files that tell of Plex, of jobs, of mounts, and of how the machine came up."""
    jobs = given.jobs.folder
    return [
        f"{given.plex.data}/Logs/**/*.log",
        *(f"{jobs}/*/{name}" for name in ("job.json", "journal.jsonl", "result.json", "output.log")),
        f"{jobs.parent}/mounts/*/*.json",
        f"{jobs.parent}/mounts/*/*.jsonl",
        "/var/log/cloud-init*.log",
    ]


def make(
    here: Here,
    file: Path,
    *,
    name: str,
    folder: Path,
    limits: Limits,
    runner: Runner,
    also: Sequence[str] = (),
) -> Collected:
    """Pack the bundle into `<name>.tar.zst` in a folder.

    It ends within `limits`, whatever hangs on this host; what could not be collected is told in its place.

    Raises:
        Permanent, Transient: the bundle itself could not be written.
    """
    wanted = sources(here, file, also, patience=limits.silence)
    return logs.collect(wanted, name=name, runner=runner, folder=folder, limits=limits)

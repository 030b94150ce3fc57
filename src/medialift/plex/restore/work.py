"""An import asked for from outside: predicted, or started as a job of the host and stayed with to its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medialift.errors import Transient, from_dict
from medialift.foundation import jobs, process
from medialift.foundation.launching import SYSTEMD, joined_or_new, launch
from medialift.foundation.process import Runner
from medialift.foundation.waiting import Clock, SystemClock
from medialift.plex import kinds
from medialift.plex.manifest import Found, Kind, usable
from medialift.plex.restore import history, importing, job
from medialift.plex.restore.home import connect
from medialift.plex.restore.layout import LibraryFolder
from medialift.plex.restore.source import NEWEST
from medialift.settings import Settings


@dataclass(frozen=True)
class ImportWork:
    """Imports, injections and rollbacks of this host, each a job in a folder of its own below `folder`."""

    folder: Path
    supervisor: str = SYSTEMD
    runner: Runner = process.run
    clock: Clock = field(default_factory=SystemClock)

    def predict(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What the job would do: {changed, outcome, reason, archive, sections}; nothing is touched.

        `predicted: true` stands in it when Plex or its data are not here yet, so that no more can be known.

        Raises:
            MedialiftError: the job would be refused, for this reason.
        """
        settings = job.settings_of(arguments)
        data = LibraryFolder(settings.plex.data)
        state = job.state_of(arguments)
        if self.nothing_to_import(arguments):
            return {**_predicted(True, "there is no archive yet", ""), "predicted": True}
        if state == "injected":
            return self._predict_injection(settings, data, arguments)
        if state == "rolled_back":
            current = history.read_history(data).current if data.library.is_file() else None
            return _predicted(
                current is not None,
                f"the import of {current.at} would be taken back" if current else "no import is in place",
                current.archive if current else "",
            )
        if state == "recovered":
            pending = history.read_pending(data) if data.ours.is_dir() else None
            return _predicted(
                pending is not None,
                f"an import is at the step '{pending.step}'" if pending else "nothing is under way",
                pending.archive if pending else "",
            )
        if not data.library.is_file():
            return {**_predicted(True, "Plex has no library here yet", ""), "predicted": True}
        try:
            home = connect(settings)
            told = importing.predict(home, job.source(settings, arguments), job.options(settings, arguments))
        except Transient as error:
            return {**_predicted(True, f"it cannot be told now: {error.what}", ""), "predicted": True}
        return {
            **_predicted(told.changed, told.reason, told.archive),
            "sections": [dict(section) for section in told.sections],
            "lost_watch_state": told.loses_watch_state,
        }

    def _predict_injection(
        self, settings: Settings, data: LibraryFolder, arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        sidecar = job.source(settings, arguments).sidecar()
        marker = data.ours / "injected.json"
        before = json.loads(marker.read_bytes()) if marker.is_file() and data.library.is_file() else {}
        there = bool(before) and sidecar is not None and before["archive"] == sidecar.archive.sha256
        return {
            **_predicted(
                not there,
                "this archive was injected before" if there else "it would be unpacked and remapped",
                sidecar.archive.sha256 if sidecar else "",
            ),
            "predicted": not data.path.is_dir(),
        }

    def nothing_to_import(self, arguments: Mapping[str, Any]) -> bool:
        """Whether the newest archive is asked for and there is none that may be used.

        Raises:
            MedialiftError: the store does not answer: that is never "none".
        """
        if arguments.get("archive") != NEWEST or job.state_of(arguments) not in ("present", "injected"):
            return False
        settings = job.settings_of(arguments)
        kind: Kind = "reference" if arguments["state"] == "injected" else "burst"
        place = job.store_place(settings)
        return not any(isinstance(one, Found) for one in usable(place, kind, settings.plex.library))

    def begin(self, arguments: Mapping[str, Any]) -> Path:
        """Start the job, or attach to one of the same arguments that has not ended; its folder.

        Raises:
            Permanent: an argument is wrong, or the job cannot be started.
        """
        job.state_of(arguments)
        folder = joined_or_new(self.folder, kinds.IMPORT, arguments, self.clock)
        launch(folder, self.supervisor, self.runner)
        return folder

    def end(self, folder: Path, at_most: float, *, every: float = 2.0) -> dict[str, Any]:
        """Stay with the job until it ended; its result, or {error, rolled_back}, and in both cases phases.

        `rolled_back` tells that the library from before was put back and serves.

        Raises:
            Transient: it still runs after `at_most` seconds, and goes on.
        """
        ended = jobs.follow(folder, at_most=at_most, every=every, clock=self.clock)
        phases = [phase.to_dict() for phase in ended.phases]
        if ended.state == jobs.OK:
            return {**ended.value, "phases": phases}
        if not ended.ended:
            raise Transient(
                f"The import has not ended within {at_most:g} s, and goes on", folder.name, "Wait longer"
            )
        error = dict(ended.error)
        if ended.state == jobs.DIED:
            error = Transient(
                "The import died without a result",
                folder.name,
                "Import again: what was cut short is put right first",
            ).to_dict()
        back = any(phase.name == importing.PUT_BACK_PHASE and phase.outcome == "ok" for phase in ended.phases)
        return {
            "changed": False,
            "error": {**error, "msg": str(from_dict(error))},
            "rolled_back": back,
            "phases": phases,
        }


def _predicted(changed: bool, reason: str, archive: str) -> dict[str, Any]:
    return {
        "changed": changed,
        "outcome": "predicted" if changed else "unchanged",
        "reason": reason,
        "archive": archive,
        "sections": [],
        "predicted": False,
    }

"""An export asked for from outside: started as a job of the host, attached to, its end told."""

from __future__ import annotations

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
from medialift.plex.export_job import ExportOptions, HostExport, described


@dataclass(frozen=True)
class ExportWork:
    """Exports of this host, each a job in a folder of its own below `folder`."""

    folder: Path
    supervisor: str = SYSTEMD
    runner: Runner = process.run
    clock: Clock = field(default_factory=SystemClock)

    def predict(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What `begin` would do: {changed, archives, files, content_bytes, predicted}, and nothing touched.

        `predicted` tells that Plex's folder is not there yet, so that its size is not known.

        Raises:
            Permanent: an option or a setting is wrong, or the store refuses.
        """
        host = HostExport(ExportOptions.of(arguments))
        there = host.already_there()
        if there:
            return {"changed": False, "predicted": False, **described(there)}
        if not host.data.path.is_dir():
            return {"changed": True, "predicted": True, "archives": [place.url for place in host.places]}
        return {"changed": True, "predicted": False, **host.forecast()}

    def begin(self, arguments: Mapping[str, Any]) -> tuple[Path | None, dict[str, Any]]:
        """Start the export, or attach to one of the same arguments that has not ended.

        Returns:
            The job's folder and {}; or None and the archive, when that of the given label is there already.

        Raises:
            Permanent: an option or a setting is wrong, there is no library, the store refuses, or the job
                cannot be started.
        """
        options = ExportOptions.of(arguments)
        host = HostExport(options)
        there = host.already_there()
        if there:
            return None, {"changed": False, **described(there)}
        host.check()
        arguments = options.model_dump(mode="json", exclude_unset=True)
        folder = joined_or_new(self.folder, kinds.EXPORT, arguments, self.clock)
        launch(folder, self.supervisor, self.runner)
        return folder, {}

    def end(self, job: Path, at_most: float, *, every: float = 2.0) -> dict[str, Any]:
        """Stay with the job until it ended; its result (see `export_job.run_job`).

        Raises:
            Transient: it still runs after `at_most` seconds, or it died.
            MedialiftError: what ended it.
        """
        ended = jobs.follow(job, at_most=at_most, every=every, clock=self.clock)
        if ended.state == jobs.OK:
            return dict(ended.value)
        if ended.state == jobs.FAILED:
            raise from_dict(ended.error)
        if ended.state == jobs.DIED:
            raise Transient("The export died without a result", job.name, "Export again")
        raise Transient(
            f"The export has not ended within {at_most:g} s, and goes on", job.name, "Wait longer for it"
        )

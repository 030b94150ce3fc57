"""From what a run left behind to its report: inputs merged, journals read, the outcome decided."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from medialift.errors import Permanent
from medialift.foundation import journal
from medialift.plex.report.model import InstanceLine, PhaseLine, ReadLine, Report, ReportInputs

_LISTS = ("phases", "mount_reads", "journals")


def load_inputs(files: Sequence[Path]) -> ReportInputs:
    """Read report inputs from JSON files; a later file adds to an earlier one.

    The burst writes one file and the import, hours later on another host, a second one. Lists of phases,
    reads and journals are joined; any other value of a later file replaces the earlier one.

    Raises:
        Permanent: a file is absent, no JSON, or holds a wrong value: all wrong values are named.
    """
    merged: dict[str, Any] = {}
    for file in files:
        values = _read(file)
        values = _with_run(values)
        values["journals"] = [str(file.parent / path) for path in values.get("journals") or []]
        for name, value in values.items():
            if name in _LISTS:
                merged[name] = [*merged.get(name, []), *(value or [])]
            elif value is not None:
                merged[name] = value
    try:
        return ReportInputs.model_validate(merged)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise Permanent(
            "The inputs of the report are wrong",
            ", ".join(map(str, files)),
            f"Correct in what wrote them: {wrong}",
        ) from error


def build(inputs: ReportInputs) -> Report:
    """The report of a run.

    Without an outcome in the inputs the run is ok when phases are told, all ended, none failed, and no error
    is told. A phase that failed and later ended well (it was tried again) does not make a run fail.

    Raises:
        Permanent: a journal is damaged. An absent one is a phase that never began, not an error.
    """
    phases = [*inputs.phases, *(line for path in inputs.journals for line in _phases(path))]
    # Stable: phases whose start is unknown keep their place behind those that are known.
    phases.sort(key=lambda phase: float("inf") if phase.started is None else phase.started)
    reads = [*inputs.mount_reads, *(read for path in inputs.journals for read in _reads(path))]
    last = {phase.name: phase.outcome for phase in phases}
    unfinished = not last or "failed" in last.values() or "running" in last.values()
    failed = inputs.error is not None or unfinished
    return Report(
        title=inputs.title,
        library=inputs.library,
        mode=inputs.mode,
        outcome=inputs.outcome or ("failed" if failed else "ok"),
        error=inputs.error,
        phases=tuple(phases),
        sections=inputs.sections,
        instance=_with_start(inputs.instance, phases),
        archive=inputs.archive,
        logs=inputs.logs,
        imported=inputs.imported,
        reads=tuple(sorted(reads, key=lambda read: read.at)),
    )


def _with_start(instance: InstanceLine | None, phases: Sequence[PhaseLine]) -> InstanceLine | None:
    """The instance with its first second, which is that of the phase that provisions it unless it is told."""
    if instance is None or instance.started is not None:
        return instance
    begun = [phase.started for phase in phases if phase.name == "provision" and phase.started is not None]
    return instance.model_copy(update={"started": min(begun)}) if begun else instance


def _read(file: Path) -> dict[str, Any]:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Permanent("There are no report inputs", str(file), "Name the file that the run wrote") from None
    except ValueError as error:
        raise Permanent("The report inputs are not JSON", str(file), f"Correct them: {error}") from error
    if not isinstance(values, dict):
        raise Permanent(
            "The report inputs are not a JSON object", str(file), "Name the file that the run wrote"
        )
    return values


def _with_run(values: dict[str, Any]) -> dict[str, Any]:
    """Inputs whose `run`, the result of a plex-run, is spread over phases, reads and sections."""
    run = values.pop("run", None)
    if not run:
        return values
    spread = {name: [*(values.get(name) or []), *(run.get(name) or [])] for name in ("phases", "mount_reads")}
    return {"sections": run.get("sections"), **values, **spread}


def _phases(path: Path) -> Iterable[PhaseLine]:
    for phase in journal.phases(path):
        yield PhaseLine.model_validate(
            {
                "name": phase.name,
                "started": phase.started,
                "seconds": max(0.0, phase.seconds),
                "outcome": phase.outcome,
            }
        )


def _reads(path: Path) -> Iterable[ReadLine]:
    """The mount reads that a journal's lines carry: `data.reads` as a list of {ok, seconds, …}."""
    for entry in journal.entries(path):
        reads = entry.data.get("reads")  # a run's journal only counts them, its result has them one by one
        for read in reads if isinstance(reads, list) else ():
            yield ReadLine(at=read.get("at", entry.at), seconds=read["seconds"], ok=read["ok"])

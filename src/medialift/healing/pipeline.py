"""What the healing has to know of a pipeline: its units, its phases, its knobs, and what it depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medialift.healing.evidence import ServerHealth
from medialift.settings import Settings


@dataclass(frozen=True)
class Knob:
    """A setting that a CONFIG_FIX may change, within its bounds: nothing else can be changed at all.

    Attributes:
        variable: the environment variable that sets it, such as MEDIALIFT_BOOKS__BATCH.
        lowest, highest: bounds, both included.
        whole: it is a whole number.
        control: the column of the ledger's `control` that sets it for all workers by hand, before the
            variable; "" when there is none.
    """

    variable: str
    lowest: float
    highest: float
    whole: bool = True
    control: str = ""


@dataclass(frozen=True)
class Pipeline:
    """One pipeline.

    Attributes:
        name: as the ledger has it.
        unit: its systemd template with {number}: medialift-books-worker@{number}.service. One without is a
            service of which a host has one, number 1.
        target: the systemd target that takes its workers with it; enabled workers are linked to it.
        label: what stands behind the host in the names of its workers: HOST-audiobooks@1.
        times: thresholds that fit it better than the common ones, {"progress": 1800}: before them counts
            what the settings say of this pipeline.
        command: what a worker runs, behind `python -m medialift`.
        starting: phases in which a worker is still initialising or discovering.
        discovering: phases in which a worker looks for work itself, and so has some although no item waits.
        knobs: {setting: Knob}.
        modules: what a CODE_FIX may edit, relative to the package: books/speed.py.
        guarded: names whose calls a CODE_FIX may neither remove nor add a way around, such as `held`.
        mounts: the mount points and folders that its workers read from.
        disks: the folders that its workers, or the server on this host, write to.
        server: asks the server that it works with; None when it has none.
    """

    name: str
    unit: str
    target: str = ""
    label: str = ""
    times: Mapping[str, float] = field(default_factory=dict)
    command: Sequence[str] = ()
    starting: frozenset[str] = frozenset({""})
    discovering: frozenset[str] = frozenset()
    knobs: Mapping[str, Knob] = field(default_factory=dict)
    modules: Sequence[str] = ()
    guarded: Sequence[str] = ()
    mounts: Callable[[Settings], Sequence[Path]] = lambda _: ()
    disks: Callable[[Settings], Sequence[Path]] = lambda _: ()
    server: Callable[[Settings], ServerHealth] | None = None

    @property
    def alone(self) -> bool:
        """A host has one worker of it at most."""
        return "{number}" not in self.unit

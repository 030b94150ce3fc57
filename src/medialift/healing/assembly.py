"""The healing of this host, put together from its settings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Protocol

from medialift import notify
from medialift.errors import MedialiftError
from medialift.foundation.waiting import Clock, SystemClock
from medialift.healing import rules
from medialift.healing.clocks import Clocks
from medialift.healing.code.codefix import CodeFixes
from medialift.healing.diagnosis import Adviser, Diagnosis
from medialift.healing.editing import Editing, Writer
from medialift.healing.fleet import Fleet
from medialift.healing.healer import Healer
from medialift.healing.journal import Journal, LogSource
from medialift.healing.looking import CGROUPS
from medialift.healing.means import Means, Tell
from medialift.healing.model.asking import Model
from medialift.healing.pipeline import Pipeline
from medialift.healing.pipelines import PIPELINES
from medialift.healing.pressure import Gauge
from medialift.healing.standing import Here
from medialift.healing.systemd_fleet import SystemdFleet
from medialift.healing.treatment import Treatment
from medialift.healing.ward import Ward
from medialift.notify import Notice
from medialift.queueing.database import Database
from medialift.settings import NotifySettings, Settings

_log = logging.getLogger(__name__)


class Asked(Adviser, Writer, Protocol):
    """What is asked besides the rules, and writes edits: `model.asking.Model`."""


def fleets(stop: Event) -> Callable[[Pipeline], Fleet]:
    """Of systemd; when `stop` is set, no worker's end is waited for any more."""
    return partial(SystemdFleet, stop_waiting=stop)


def healer(
    here: Here,
    *,
    stop: Event,
    pipelines: Iterable[Pipeline] = tuple(PIPELINES.values()),
    log: LogSource | None = None,
    tell: Tell | None = None,
    model: Asked | None = None,
    editing: Editing | None = None,
    clock: Clock | None = None,
    gauge: Gauge | None = None,
    cgroups: Path = CGROUPS,
) -> Healer:
    """What makes the rounds over the workers of this host.

    Args:
        stop: the healing is to end: nothing is waited for any more.
        tell: tells people; by [notify], unless told otherwise.
        model: see `adviser`.
        editing: edits of the code; by [healing], unless told otherwise.
    """
    clock = clock or SystemClock()
    clocks = Clocks(clock)
    tell = tell or Told(here.settings.notify)
    editing = editing or Editing(CodeFixes.open(here.settings), model)
    means = Means(Diagnosis(rules.diagnose, model), Treatment(here, editing, stop), tell, stop, cgroups)
    source = log or Journal()
    wards = [Ward(here, one, here.fleet_of(one), source, means, clocks) for one in pipelines]
    return Healer(here, wards, clocks, tell, gauge or Gauge(clock=clock))


def adviser(settings: Settings, database: Database, stop: Event) -> Model | None:
    """The language model, where one is enabled. One that cannot be used is said so, and done without: the
    rules heal as well."""
    if not settings.healing.model.enabled:
        return None
    try:
        return Model.open(settings, database, stop=stop)
    except MedialiftError as error:
        _log.error("The rules decide alone: %s", error)
        return None


@dataclass(frozen=True)
class Told:
    """Tells people by the destinations of [notify]; one that is dead is logged, and holds nothing up."""

    settings: NotifySettings

    def __call__(self, notice: Notice) -> None:
        for one in notify.tell([notice], self.settings):
            if not one.ok:
                _log.warning("%s was not told (%s): %s", one.destination, notice.title, one.error)

"""What the rounds work with, and what is seen of the surroundings of one pipeline in one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Event

from medialift.healing import causes
from medialift.healing.decision import Cause
from medialift.healing.diagnosis import Diagnosis
from medialift.healing.looking import CGROUPS
from medialift.healing.pipeline import Pipeline
from medialift.healing.pressure import Pressure
from medialift.healing.surroundings import Surroundings, look_around
from medialift.healing.treatment import Treatment
from medialift.notify import Notice
from medialift.settings import Settings

Tell = Callable[[Notice], None]


@dataclass(frozen=True)
class Means:
    """What a visit works with.

    Attributes:
        tell: tells people; raises nothing.
        stop: ends a visit that only looks.
        cgroups: where the kernel tells how much memory a worker may use.
    """

    diagnosis: Diagnosis
    treatment: Treatment
    tell: Tell
    stop: Event = field(default_factory=Event)
    cgroups: Path = CGROUPS


@dataclass
class Look:
    """One look at what all workers of a pipeline depend on: taken only when somebody asks, and only once."""

    settings: Settings
    pipeline: Pipeline
    measure: Callable[[], Pressure]
    stop: Event

    @cached_property
    def pressure(self) -> Pressure:
        """It may ask the server."""
        return self.measure()

    @cached_property
    def around(self) -> Surroundings:
        """It may take a minute."""
        return look_around(self.pipeline, self.settings, stop=self.stop)

    def over(self, cause: Cause) -> bool:
        """Whether a cause is seen to be gone."""
        return causes.gone(cause, self.pipeline, self.settings, around=self.around)

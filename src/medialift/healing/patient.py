"""One worker in one round: what runs it, what is seen and thought of it, and what was done to it before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medialift.healing.care import Care
from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.detect import Limits
from medialift.healing.fleet import Member
from medialift.healing.observed import Observed, Trouble, Verdict


@dataclass(frozen=True)
class Patient:
    """A worker, well or not.

    Attributes:
        member: what runs it here; None: it was started by hand.
        registered: False: the ledger has never heard of it; `seen` is what its process tells.
    """

    seen: Observed
    verdict: Verdict
    care: Care
    limits: Limits
    member: Member | None
    registered: bool = True

    @property
    def name(self) -> str:
        return self.seen.name

    @property
    def condition(self) -> tuple[str, str]:
        """What makes this trouble another one than the last."""
        return (f"{self.life} {self.care.remedied}", str(self.verdict.trouble))

    @property
    def life(self) -> str:
        """Its life; the same for all of a crash loop, of which each look sees another one."""
        return "" if self.verdict.trouble is Trouble.CRASH_LOOP else self.seen.life


def decision_of(care: Care) -> Decision | None:
    """The last decision about a worker as it was kept; None when there was none that can be read."""
    kept: dict[str, Any] = dict(care.decision)
    try:
        return Decision(**{**kept, "cause": Cause(kept["cause"]), "remedy": Remedy(kept["remedy"])})
    except (KeyError, TypeError, ValueError):  # of a later release, or none
        return None

"""Workers that are stuck for a cause elsewhere: left alone until it is over, and for a little longer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from medialift.healing.decision import Cause


@dataclass
class _Wait:
    cause: Cause
    life: str
    over: float | None = None
    """When its cause was first seen to be over, by the clock that never jumps."""


@dataclass
class Waits:
    """Remembers which worker waits for what. Forgotten when the healing ends: then it is found out again."""

    _of: dict[str, _Wait] = field(default_factory=dict)

    def begin(self, name: str, life: str, cause: Cause, *, over: float | None = None) -> bool:
        """This worker waits from now on; whether it is the first to wait for this cause.

        Args:
            over: the moment, where something was done about the cause already.
        """
        first = cause not in {one.cause for one in self._of.values()}
        self._of[name] = _Wait(cause, life, over)
        return first

    def why(self, name: str, life: str, gone: Callable[[Cause], bool], *, now: float, patience: float) -> str:
        """What a worker waits for still; "" when it waits for nothing any more.

        Args:
            gone: whether a cause is over.
            patience: seconds that a worker gets to go on by itself once its cause is over.
        """
        wait = self._of.get(name)
        if wait is None or wait.life != life:
            return ""
        words = wait.cause.value.replace("_", " ")
        if wait.over is None and gone(wait.cause):
            wait.over = now
        if wait.over is None:
            return f"it waits: {words}"
        if now - wait.over < patience:
            return f"it may go on by itself: {words} is over"
        return ""

    def keep(self, names: Iterable[str]) -> None:
        """All others do not wait any more."""
        kept = set(names)
        self._of = {name: wait for name, wait in self._of.items() if name in kept}

"""How a demo tells what it does: one line per step, and in the end what came out otherwise than it must."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console

_LOG_WIDTH = 150


def console() -> Console:
    """A terminal, or a log that is read later."""
    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=_LOG_WIDTH)


@dataclass
class Steps:
    """The steps of one run, and what was wrong in them."""

    console: Console
    started: float = field(default_factory=time.monotonic, kw_only=True)
    wrong: list[str] = field(default_factory=list, kw_only=True)

    def expect(self, true: object, otherwise: str) -> None:
        """Note what is not as it must be; everything is looked at before the run fails by it."""
        if not true:
            self.wrong.append(otherwise)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One line: a tick or a cross, the seconds, what was done."""
        begun = time.monotonic()
        before = len(self.wrong)
        try:
            yield
        except BaseException:
            self._say("✗", "red", begun, name)
            raise
        good = len(self.wrong) == before
        self._say("✓" if good else "✗", "green" if good else "red", begun, name)

    def _say(self, mark: str, colour: str, begun: float, name: str) -> None:
        self.console.print(f"[{colour}]{mark}[/{colour}] {time.monotonic() - begun:6.1f} s  {name}")

"""How commands speak: tables and bars on a terminal, plain lines otherwise, JSON when asked for."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from medialift.errors import MedialiftError
from medialift.foundation.journal import END, START, Entry
from medialift.foundation.text import redact

_LINE_SECONDS = 30.0
MARKS = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "fail": "[red]✗[/]", "skipped": "[dim]–[/]"}


class Face:
    """What one command says, to people on stderr and stdout, or as one JSON document on stdout."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.out = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self.err = Console(file=sys.stderr, highlight=False, soft_wrap=True)

    def result(self, value: Any, show: Callable[[], None]) -> None:
        """The result of a command: `value` as JSON, or whatever `show` prints for people."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
        else:
            show()

    def line(self, text: str) -> None:
        """One line for people. Names out of a library are not markup."""
        self.out.print(escape(text))

    def note(self, text: str) -> None:
        """One line beside the result, on stderr; nothing with --json."""
        if not self.as_json:
            self.err.print(escape(text))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
        """A table on a terminal; else one line per row, its cells parted by tabs.

        A column whose name ends in " #" holds numbers: they stand at the right.
        """
        if not self.out.is_terminal:
            for row in [[column.removesuffix(" #") for column in columns], *rows]:
                sys.stdout.write("\t".join(str(cell) for cell in row) + "\n")
            return
        table = Table(title=title or None, title_justify="left")
        for column in columns:
            # A path or a name that is cut off cannot be used: it goes on in the next line.
            justify: Literal["left", "right"] = "right" if column.endswith(" #") else "left"
            table.add_column(column.removesuffix(" #"), justify=justify, overflow="fold")
        for row in rows:
            table.add_row(*(escape(str(cell)) for cell in row))
        self.out.print(table)

    def error(self, error: MedialiftError) -> None:
        """The three sentences of an error; with --json, {"error": {kind, what, subject, hint}}."""
        if self.as_json:
            shown = {key: redact(value) for key, value in error.to_dict().items()}
            sys.stdout.write(json.dumps({"error": shown}, ensure_ascii=False) + "\n")
            return
        self.err.print(f"[bold red]✗ {escape(redact(error.what))}[/]")
        for text in (error.subject, error.hint):
            if text:
                self.err.print(f"  {escape(redact(text))}")

    @contextmanager
    def telling(self) -> Iterator[Callable[[Entry], None]]:
        """A function that shows each line of a journal: a bar per phase on a terminal, a line elsewhere.

        It writes to stderr, so that the result on stdout stays alone; with --json it says nothing.
        """
        if self.as_json:
            yield lambda _entry: None
        elif self.err.is_terminal:
            with _bars(self.err) as bars:
                yield _PhaseBars(bars).tell
        else:
            yield self._plain

    @contextmanager
    def counting(self, label: str, total: float | None = None) -> Iterator[Callable[[float], None]]:
        """A function that is told how much is done, of `total` if that is known."""
        if self.as_json or not self.err.is_terminal:
            if not self.as_json:
                sys.stderr.write(f"{label}\n")
            yield lambda _done: None
            return
        with _bars(self.err) as bars:
            task = bars.add_task(escape(label), total=total, said="")
            yield lambda done: bars.update(task, completed=done)
            bars.update(task, completed=total or 1, total=total or 1)

    @contextmanager
    def watching(self, label: str) -> Iterator[Callable[[float, float | None, str], None]]:
        """A function that is told how much is done, of how much, and a few words about it.

        A bar on a terminal; elsewhere a line when it begins and, at most twice a minute, when something
        changed. Its last words are told always. With --json it says nothing.
        """
        if self.as_json:
            yield lambda _done, _total, _said: None
        elif self.err.is_terminal:
            with _bars(self.err) as bars:
                task = bars.add_task(escape(label), total=None, said="")
                yield lambda done, total, said: bars.update(
                    task, completed=done, total=total, said=escape(_told(done, total, said))
                )
        else:
            lines = _Lines(label)
            try:
                yield lines.tell
            finally:
                lines.end()

    def _plain(self, entry: Entry) -> None:
        at = datetime.fromtimestamp(entry.at).astimezone().strftime("%H:%M:%S")
        sys.stderr.write(f"{at} {entry.describe()}\n")
        sys.stderr.flush()


class _Lines:
    """How far something is, as lines on stderr."""

    def __init__(self, label: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._label, self._clock = label, clock
        self._told, self._last, self._next = "", "", 0.0

    def tell(self, done: float, total: float | None, said: str) -> None:
        self._last = f"{self._label}: {_told(done, total, said)}"
        if self._clock() >= self._next:
            self._next = self._clock() + _LINE_SECONDS
            self.end()

    def end(self) -> None:
        if self._last != self._told:
            self._told = self._last
            sys.stderr.write(f"{self._last}\n")
            sys.stderr.flush()


def _told(done: float, total: float | None, said: str) -> str:
    """`3 of 10, fast`; without a number as long as none is known."""
    counted = f"{done:.0f} of {total:.0f}" if total is not None else f"{done:.0f}" if done else ""
    return ", ".join(filter(None, (counted, said)))


class _PhaseBars:
    """One bar per phase, fed with the lines of a journal. `n of m` in a line's data moves it."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def tell(self, entry: Entry) -> None:
        if entry.event == START or entry.phase not in self._tasks:
            self._tasks[entry.phase] = self._bars.add_task(escape(entry.phase), total=None, said="")
        task = self._tasks[entry.phase]
        said = escape(str(entry.data.get("text", "")))
        if entry.event == END:
            mark = {"ok": "[green]ok[/]", "skipped": "[dim]skipped[/]"}.get(
                entry.outcome or "", "[red]failed[/]"
            )
            self._bars.update(task, total=1, completed=1, said=f"{mark} {said}")
            self._bars.stop_task(task)
            del self._tasks[entry.phase]
            return
        done, total = _position(entry.data)
        self._bars.update(task, said=said, completed=done, total=total)


def _position(data: Mapping[str, Any]) -> tuple[float | None, float | None]:
    done, total = data.get("analysed", data.get("done")), data.get("total")
    known = isinstance(done, int | float) and isinstance(total, int | float) and total > 0
    return (float(done), float(total)) if known and done is not None and total is not None else (None, None)


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("{task.fields[said]}"),
        console=console,
    )

"""What `/activities` shows: work in progress, and the butler's row that is there for ever."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class Activity:
    """One row. `section` is shown in a `<Context>` child, not as an attribute."""

    type: str
    title: str
    subtitle: str = ""
    section: int | None = None
    progress: int = 0
    cancellable: bool = False
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))


class Activities:
    """All activities of a server."""

    def __init__(self) -> None:
        self._lock = Lock()
        # A real server shows this row, at 100, while it does nothing at all.
        self._rows = [Activity("butler", "Performing maintenance", "Scheduled tasks", progress=100)]

    @contextmanager
    def showing(
        self,
        type: str,
        title: str,
        subtitle: str = "",
        *,
        section: int | None = None,
        cancellable: bool = False,
    ) -> Iterator[Activity]:
        """Show an activity while the block runs."""
        activity = Activity(type, title, subtitle, section, 0, cancellable)
        with self._lock:
            self._rows.append(activity)
        try:
            yield activity
        finally:
            with self._lock:
                self._rows.remove(activity)

    def rows(self) -> list[Activity]:
        with self._lock:
            return list(self._rows)

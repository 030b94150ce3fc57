"""Everything the stand-in knows: tables of JSON objects, kept on disk after every change."""

from __future__ import annotations

import copy
import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medialift.foundation.atomic import write_json

Row = dict[str, Any]

TABLES = (
    *("servers", "volumes", "block", "ips", "security_groups", "rules", "user_data"),
    *("ssh_keys", "api_keys", "applications", "policies"),
)


class State:
    """The tables, each {id: object}. Read and change them inside `with state.open()`.

    Args:
        folder: where `state.json` lies; made if need be. It holds secrets of the sandbox: mode 0600.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "state.json"
        self._lock = threading.RLock()
        self._saved: dict[str, dict[str, Row]] = {}
        self.tables: dict[str, dict[str, Row]] = {name: {} for name in TABLES}
        if self._file.exists():
            self.tables |= json.loads(self._file.read_text())
            self._saved = copy.deepcopy(self.tables)

    @contextmanager
    def open(self) -> Iterator[dict[str, dict[str, Row]]]:
        """The tables, for one thread at a time. Changes are saved at the end, or undone by an error."""
        with self._lock:
            try:
                yield self.tables
            except BaseException:
                for name, rows in self.tables.items():
                    rows.clear()
                    rows.update(copy.deepcopy(self._saved.get(name, {})))
                raise
            if self.tables != self._saved:
                write_json(self._file, self.tables, mode=0o600)
                self._saved = copy.deepcopy(self.tables)


def new_id() -> str:
    return str(uuid.uuid4())


def now() -> str:
    """The time as the API writes it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")

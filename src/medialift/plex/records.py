"""What lies beside a library that was remapped: the map, the way back, and where its sections were then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medialift.errors import Permanent


def record_path(database: Path) -> Path:
    """`<database>.remap.json`."""
    return database.with_name(database.name + ".remap.json")


def last_remap(database: Path) -> dict[str, Any] | None:
    """{applied, forward, inverse, changes, backup, locations} of the last remap; None when there was none.

    Raises:
        Permanent: the record is damaged.
    """
    path = record_path(database)
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not {"forward", "inverse", "locations"} <= set(record):
            raise ValueError
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise Permanent(
            "The record of the last remap is damaged",
            str(path),
            "Move it away if you know where the paths point",
        ) from error
    return record

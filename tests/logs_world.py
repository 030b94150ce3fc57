"""Collections of logs, as whoever got one reads it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from medialift.foundation import archive


class Opened:
    """An archive of logs, unpacked and verified: its members, and what it tells of them."""

    def __init__(self, packed: Path | bytes, into: Path) -> None:
        content = packed if isinstance(packed, bytes) else packed.read_bytes()
        archive.extract(io.BytesIO(content), into)
        self.members = {
            str(one.relative_to(into)): one.read_text()
            for one in sorted(into.rglob("*"))
            if one.is_file() and not one.is_relative_to(into / "medialift")
        }
        self.told: list[dict[str, Any]] = json.loads(self.members.pop("contents.json"))

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.members.values())

    def missing(self) -> dict[str, str]:
        """{member: why it is missing}."""
        return {one["name"]: one["missing"] for one in self.told if one["missing"]}

    def of_file(self, path: Path) -> str:
        """The collected text of a file of the host."""
        return self.members[f"files/{str(path).lstrip('/')}"]

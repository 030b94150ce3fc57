"""`medialift books` and `medialift queue` on a ledger, a library and a book server of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from medialift.cli.app import app
from sandbox.mybookshelf import Standin
from tests.migration_world import Migration

PROGRAM = Path(sys.executable).parent / "medialift"


class Cli:
    """The program with settings that name all three."""

    def __init__(self, folder: Path, world: Migration, standin: Standin) -> None:
        self.world, self.standin = world, standin
        self.file = folder / "medialift.toml"
        self.settings: dict[str, dict[str, Any]] = {
            "database": {"url": world.database.url},
            "books": {
                "library": str(world.library.folder),
                "server": standin.url,
                "socket": standin.ws_url,
                "user": standin.user,
                "password": standin.password,
                "timeout": "10s",
            },
            "workers": {"heartbeat": "1s", "lease": "20s", "sweep": "1s"},
        }
        self.write()

    def write(self, section: str = "books", **changed: Any) -> None:
        """Change the settings file."""
        self.settings[section].update(changed)
        lines = []
        for name, values in self.settings.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        self.file.write_text("\n".join(lines) + "\n")
        self.file.chmod(0o600)

    def __call__(self, *words: str, code: int = 0) -> str:
        """Run a command in this process; what it printed."""
        result = CliRunner().invoke(app, ["--config", str(self.file), *words])
        assert result.exit_code == code, (result.exit_code, result.output, result.exception)
        return result.stdout

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self("--json", *words, code=code))

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Run it as a process of its own."""
        return subprocess.Popen(
            [str(PROGRAM), "--config", str(self.file), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )

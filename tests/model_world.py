"""A language model behind a real server of its own, and a worker that is stuck, to ask it about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from medialift.healing.evidence import DiskSpace, Evidence, MountHealth, Pattern, ServerHealth
from medialift.healing.model import Model
from medialift.healing.observed import Observed, Trouble, Verdict
from medialift.healing.pipeline import Knob, Pipeline
from medialift.queueing.database import Database
from medialift.settings import Settings
from sandbox.openai.server import StandIn, serve

KEY = "sk-sandbox-0123456789abcdefghij"
LIBRARY = "/srv/calibre/Our Library"

PIPELINE = Pipeline(
    name="books",
    unit="medialift-books-worker@{number}.service",
    knobs={
        "parallel_uploads": Knob("MEDIALIFT_BOOKS__PARALLEL_UPLOADS", 1, 16),
        "batch": Knob("MEDIALIFT_BOOKS__BATCH", 1, 200),
        "timeout": Knob("MEDIALIFT_BOOKS__TIMEOUT", 10, 900, whole=False),
    },
    modules=("books/speed.py", "books/naming.py"),
)

MODULE = '''"""How fast it goes."""

from __future__ import annotations


def step(speed: float) -> float:
    if speed < 0:
        raise ValueError("a speed is not below zero")
    return speed * 2
'''


def worker(name: str = "books@shelf1@1", **changes: Any) -> Observed:
    """A worker that has finished nothing for ten minutes, with an item in its hands."""
    usual: dict[str, Any] = {
        "name": name,
        "host": "shelf1",
        "pipeline": "books",
        "collection": "calibre",
        "pid": 4711,
        "life": "one",
        "phase": "uploading",
        "state": "running",
        "resting": "",
        "uptime": 4000.0,
        "silence": 3.0,
        "idle": 600.0,
        "phase_age": 590.0,
        "items": 12,
        "files": 14,
        "bytes": 5_000_000,
        "rows_read": 100,
        "current_item": 77,
        "held": 1,
        "waiting": 500,
        "queue_rests": "",
    }
    return Observed(**{**usual, **changes})


def evidence(name: str = "books@shelf1@1", **changes: Any) -> Evidence:
    """What was found about it: the server and the mount are well, and it waits for a socket."""
    usual = Evidence(
        worker=worker(name),
        verdict=Verdict(Trouble.NO_PROGRESS, "No progress for 600 s", 600.0, 300.0),
        log=(
            "INFO brought 12 books",
            f"WARNING cannot read {LIBRARY}/Anna Smith/My Diary (12)/My Diary - Anna Smith.epub: timed out",
        ),
        patterns=(Pattern("WARNING cannot read <path>: timed out", 9, "WARNING cannot read x"),),
        items={"first": "12", "last": "12", "current": "12", "attempts": 1},
        stack=("Thread 1 (idle): MainThread", "  recv (ssl.py:1166)", "  step (medialift/books/speed.py:8)"),
        files=(f"{LIBRARY}/metadata.db",),
        process={"rss": 90_000_000, "threads": 4, "state": "sleeping"},
        mounts=(MountHealth(LIBRARY, "healthy"),),
        server=ServerHealth("MyBookshelf2", True, 0.02),
        disks=(DiskSpace("/srv/shelf", 10**11, 10**12),),
    )
    return replace(usual, **changes)


class ModelWorld:
    """A stand-in that serves, and models that ask it."""

    def __init__(self, stand_in: StandIn, url: str) -> None:
        self.stand_in, self.url = stand_in, url
        self.now = 0.0

    def settings(
        self,
        *,
        model: Mapping[str, Any] | None = None,
        books: Mapping[str, Any] | None = None,
        **healing: Any,
    ) -> Settings:
        told = {
            **{"enabled": True, "base_url": self.url, "name": "sandbox-model", "timeout": 10.0},
            **(model or {}),
        }
        return Settings.model_validate(
            {"healing": {"model": told, **healing}, "books": {"library": LIBRARY, **(books or {})}}
        )

    def open(self, database: Database, **settings: Any) -> Model:
        return Model.open(
            self.settings(**settings),
            database,
            environment={"OPENAI_API_KEY": KEY},
            now=lambda: self.now,
        )

    @property
    def asked(self) -> int:
        return len(self.stand_in.questions)

    def told(self, number: int = -1) -> str:
        """All the words of a question."""
        asked = self.stand_in.questions[number].asked
        return f"{asked.system}\n{asked.data}"


@contextmanager
def model_world() -> Iterator[ModelWorld]:
    stand_in = StandIn()
    server = serve(stand_in)
    host, port = server.server_address[:2]
    try:
        yield ModelWorld(stand_in, f"http://{host!s}:{port}/v1")
    finally:
        stand_in.lifted.set()
        server.shutdown()
        server.server_close()


def key_file(folder: Path, text: str = KEY, mode: int = 0o600) -> Path:
    file = folder / "model.key"
    file.write_text(text)
    file.chmod(mode)
    return file

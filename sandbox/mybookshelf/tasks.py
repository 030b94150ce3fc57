"""The backend's tasks: a queue, as many workers as processors, and what each task does."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .metadata import extract
from .resolving import resolved
from .server import Server, User
from .store import now
from .switches import TASKS, Fault

Tell = Callable[[dict[str, Any]], Awaitable[None]]
_CONVERTED_TO = ("epub", "mobi", "fb2")


class TaskError(Exception):
    """A task could not be done; its text reaches the client."""


@dataclass(frozen=True)
class Task:
    """A task in the queue.

    Args:
        tell: says an update to whoever called; what it says may wait for the caller to come back.
        cut: cuts the caller's connection, for the fault that does.
    """

    id: str
    name: str
    arguments: list[Any]
    user: User
    tell: Tell
    cut: Callable[[], None]


class Tasks:
    """Queue and workers of one backend."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._queue: asyncio.Queue[Task] = asyncio.Queue()
        self._free = asyncio.Condition()
        self._busy = 0
        self._running: set[asyncio.Task[None]] = set()
        self._known: dict[str, Callable[[Task], Awaitable[Any]]] = {
            **{"metadata": self._metadata, "cover": self._cover},
            **{"convert": self._convert, "convert-many": self._convert_many},
        }

    def start(self) -> None:
        self._keep(self._hand_out())

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def accept(self, name: str, arguments: list[Any], user: User, tell: Tell, cut: Callable[[], None]) -> str:
        """Queue a task; its id.

        Raises:
            TaskError: there is no such task, or the queue is full.
        """
        if name not in self._known:
            raise TaskError(f"Unknown task {name}")
        if self._queue.qsize() >= self._server.steering.switches.queue_size:
            raise TaskError("Task queue is full")
        self._server.steering.requests[f"TASK {name}"] += 1
        task = Task(uuid.uuid4().hex, name, arguments, user, tell, cut)
        self._queue.put_nowait(task)
        return task.id

    async def _hand_out(self) -> None:
        while True:
            task = await self._queue.get()
            async with self._free:
                await self._free.wait_for(
                    lambda: self._busy < self._server.steering.switches.metadata_workers
                )
                self._busy += 1
            self._keep(self._work(task))

    def _keep(self, work: Any) -> None:
        running = asyncio.create_task(work)
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _work(self, task: Task) -> None:
        began = time.monotonic()
        line = f"TASK {task.name} {task.arguments[0] if task.arguments else ''}"
        fault: Fault | None = self._server.steering.fault(line, TASKS)
        kind = fault.kind if fault else ""
        update: dict[str, Any]
        try:
            await task.tell({"task_id": task.id, "status": "started"})
            if kind == "drop":
                task.cut()
            try:
                if kind == "fail":
                    raise TaskError("Process failed with code 1")
                async with asyncio.timeout(self._server.steering.switches.metadata_limit):
                    result = await self._known[task.name](task)
            except TimeoutError:
                update = {"status": "error", "error": "Task timeout"}
            except Exception as error:  # whatever it was, the real backend tells the client and goes on
                update = {"status": "error", "error": str(error) or repr(error)}
            else:
                update = {"status": "success", "result": result}
            if kind != "vanish":
                await task.tell({"task_id": task.id, **update, "duration": time.monotonic() - began})
        finally:
            async with self._free:
                self._busy -= 1
                self._free.notify()

    async def _metadata(self, task: Task) -> int:
        file = str(task.arguments[0])
        proposed = task.arguments[1] if len(task.arguments) > 1 else {}
        path = self._server.uploads / file
        if not path.is_file():
            raise TaskError(f"File {file} does not exists or is not readable")
        if self._server.steering.switches.metadata_seconds:
            await asyncio.sleep(self._server.steering.switches.metadata_seconds)
        found = extract(path)
        meta = await resolved(self._server.store, found.meta | (proposed or {}))
        size, digest = await _digest(path)
        cover = self._keep_cover(path, found.cover)
        extension = path.suffix.lower()[1:]
        format_id = await self._server.store.value("select id from format where extension = ?", extension)
        # A name without an extension has no format, and the table wants one.
        number = await self._server.store.value(
            "insert into upload (created, modified, created_by_id, modified_by_id, file, cover, load_source, "
            "format_id, size, hash, meta) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning id",
            *(now(), now(), task.user.id, task.user.id, file, cover, path.name),
            *(format_id, size, digest, json.dumps(meta)),
        )
        return int(number)

    def _keep_cover(self, path: Path, cover: bytes | None) -> str | None:
        if cover is None:
            return None
        kept = path.parent / "cover.jpg"
        kept.write_bytes(cover)
        return str(kept.relative_to(self._server.uploads))

    async def _cover(self, task: Task) -> int:
        file, ebook = str(task.arguments[0]), int(task.arguments[1])
        folder = await self._server.store.value("select base_dir from ebook where id = ?", ebook)
        if folder is None:
            raise TaskError(f"Unknown ebook {ebook}")
        target = self._server.books / folder / "cover.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._server.uploads / file, target)
        await self._server.store.rows("update ebook set cover = ? where id = ?", f"{folder}/cover.jpg", ebook)
        shutil.rmtree((self._server.uploads / file).parent, ignore_errors=True)
        return ebook

    async def _convert(self, task: Task) -> int:
        return await self._converted(int(task.arguments[0]), str(task.arguments[1]), task.user)

    async def _convert_many(self, task: Task) -> list[int]:
        ebook, extension = int(task.arguments[0]), str(task.arguments[1])
        sources = await self._server.store.rows("select id from source where ebook_id = ?", ebook)
        return [await self._converted(row[0], extension, task.user) for row in sources]

    async def _converted(self, source: int, extension: str, user: User) -> int:
        if extension not in _CONVERTED_TO:
            raise TaskError(f"Not supported target format {extension}")
        location = await self._server.store.value("select location from source where id = ?", source)
        if location is None:
            raise TaskError(f"Unknown source {source}")
        target = Path(str(user.id)) / Path(location).with_suffix(f".{extension}")
        written = self._server.folder / "converted" / target
        written.parent.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(shutil.copyfile, self._server.books / location, written)
        number = await self._server.store.value(
            "insert into conversion (created, modified, created_by_id, modified_by_id, source_id, location, "
            "format_id) values (?, ?, ?, ?, ?, ?, (select id from format where extension = ?)) returning id",
            *(now(), now(), user.id, user.id, source, str(target), extension),
        )
        return int(number)


async def _digest(path: Path) -> tuple[int, str]:
    size = path.stat().st_size

    def digest() -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha1").hexdigest()

    return size, digest() if size < 1024 * 1024 else await asyncio.to_thread(digest)

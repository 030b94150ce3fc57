"""What is still to be told, one file per burst and journal, until a dashboard has taken it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medialift.errors import MedialiftError, Permanent, Transient
from medialift.foundation import atomic, locks
from medialift.plex.posting.dashboard import Dashboard
from medialift.plex.posting.post import Post, read

_REFUSED = "refused"
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Delivered:
    """How one post went.

    Attributes:
        burst: whose it was, as the dashboard knows it.
        added: lines that were new there.
        error: why it stays in the outbox, or why it was set aside as refused.
    """

    burst: str
    journal: str
    ok: bool
    added: int = 0
    refused: bool = False
    error: MedialiftError | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "burst": self.burst,
            "journal": self.journal,
            "ok": self.ok,
            "added": self.added,
            "refused": self.refused,
            "error": self.error.to_dict() if self.error else None,
        }


class Outbox:
    """A folder of posts. Several processes may use it at once: one at a time is at work in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, post: Post) -> None:
        """Keep a post until it is taken; what an earlier one of the same burst still has to say, stays said.

        Raises:
            Transient: others are at work there for too long.
            OSError: it cannot be written.
        """
        with self._alone():
            file = self.folder / f"{post.id}-{post.journal}.json"
            if file.exists():
                try:
                    post = post.over(read(file))
                except Permanent:
                    self._set_aside(file)
            atomic.write_json(file, post.to_dict(), mode=0o600)

    def waiting(self) -> list[Path]:
        """What is to be posted, the oldest burst first."""
        return sorted(self.folder.glob("*.json"))

    def deliver(self, dashboard: Dashboard) -> list[Delivered]:
        """Post all that is there. After the first that a dashboard does not take now, none is tried.

        Raises:
            Transient: others are at work there for too long.
        """
        with self._alone():
            return list(self._each(dashboard))

    def _each(self, dashboard: Dashboard) -> Iterator[Delivered]:
        for file in self.waiting():
            try:
                post = read(file)
            except Permanent as error:
                self._set_aside(file)
                yield Delivered(file.stem, "", False, refused=True, error=error)
                continue
            try:
                post = self._addressed(dashboard, post)
                added = dashboard.tell(post.id, post)
            except Transient as error:
                yield Delivered(post.id, post.journal, False, error=error)
                return
            except Permanent as error:
                self._set_aside(file)
                yield Delivered(post.id, post.journal, False, refused=True, error=error)
                continue
            file.unlink()
            yield Delivered(post.id, post.journal, True, added)

    def _addressed(self, dashboard: Dashboard, post: Post) -> Post:
        """An import belongs to the burst that made its archive, if the dashboard knows that one."""
        if not post.archive:
            return post
        found = dashboard.burst_of(post.archive, str(post.known.get("library", "")))
        return replace(post, id=found) if found else post

    def _set_aside(self, file: Path) -> None:
        refused = self.folder / _REFUSED
        refused.mkdir(mode=0o700, exist_ok=True)
        file.replace(refused / file.name)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locks.alone(self.folder / ".lock", at_most=_PATIENCE_SECONDS) as held:
            if not held:
                raise Transient("Others are posting for too long", str(self.folder), "Try again")
            yield

"""What an item of the queue says is to be done, and the means to do it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection

from medialift.posters.folder import Folder
from medialift.posters.jellyfin import Jellyfin

Action = Literal["download", "upload", "restore"]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Task:
    """One picture of one batch.

    Attributes:
        tag: Jellyfin's mark of its version when the batch was begun; "": it was not told.
        replace: a file that somebody changed here may be replaced.
        source: the file that is to be uploaded.
        to: hash of the kept picture that is to be put back; "": there was none.
    """

    batch: int
    action: Action
    id: str
    image: str
    name: str = ""
    tag: str = ""
    replace: bool = False
    source: str = ""
    to: str = ""

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Task:
        return cls(**{name: payload[name] for name in cls.__dataclass_fields__ if name in payload})

    def to_payload(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if value not in ("", False)}


@dataclass(frozen=True)
class Means:
    """What the work on a picture needs.

    Attributes:
        ledger: runs something in a transaction, again while the database is away.
        held: whether the picture is still ours: asked right before what cannot be taken back.
        wait: waits some seconds; raises `Stopped` when the worker ends.
        moved: is told of bytes that were read or sent.
    """

    collection: str
    folder: Folder
    jellyfin: Jellyfin
    largest: int
    ledger: Callable[[Callable[[Connection], Any]], Awaitable[Any]]
    held: Callable[[], bool]
    wait: Callable[[float], Awaitable[None]]
    moved: Callable[[int], object]

"""The way to Jellyfin of one batch: its connections, its tempo, and how many pictures are in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from pydantic import SecretStr

from medialift.posters.jellyfin import Jellyfin
from medialift.posters.tempo import Tempo
from medialift.settings import PostersSettings

OPTIONS = ("session", "interval", "concurrency")
"""What a batch may have otherwise than the settings."""

Connect = Callable[[PostersSettings, SecretStr, Tempo, str], Jellyfin]
"""Makes a client: the settings, the key, the tempo, the kind of session."""


@dataclass
class Line:
    """One batch's way.

    Attributes:
        users: items that are at work on it now.
    """

    batch: int
    jellyfin: Jellyfin
    tempo: Tempo
    slots: asyncio.Semaphore
    settings: Mapping[str, Any] = field(default_factory=dict)
    users: int = 0


def connect(settings: PostersSettings, key: SecretStr, tempo: Tempo, session: str) -> Jellyfin:
    """A client as the settings say; nothing is sent yet."""
    return Jellyfin(
        settings.url,
        key,
        session=cast(Literal["shared", "per_request"], session),
        timeout=settings.timeout,
        largest=settings.max_bytes,
        tempo=tempo,
    )


class Lines:
    """The lines of one worker; those that were not used for longest are closed."""

    _MOST = 8

    def __init__(
        self, settings: PostersSettings, key: SecretStr, stop: asyncio.Event, make: Connect = connect
    ) -> None:
        self._settings, self._key, self._stop, self._make = settings, key, stop, make
        self._open: dict[int, Line] = {}

    def has(self, batch: int) -> bool:
        """Whether its options are known."""
        return batch in self._open

    async def open(self, batch: int, options: Mapping[str, Any], parallel: int | None) -> Line:
        """The line of a batch, made when there is none; who is done with it takes one from `users`.

        Args:
            parallel: pictures in flight, when somebody set that for the whole pipeline.
        """
        line = self._open.pop(batch, None)
        if line is None:
            told = {
                "session": options.get("session", self._settings.session),
                "interval": float(options.get("interval", self._settings.interval)),
                "concurrency": int(parallel or options.get("concurrency", self._settings.concurrency)),
            }
            tempo = Tempo(told["interval"], self._stop)
            line = Line(
                batch,
                self._make(self._settings, self._key, tempo, told["session"]),
                tempo,
                asyncio.Semaphore(told["concurrency"]),
                told,
            )
        self._open[batch] = line
        line.users += 1
        idle = [one for one in self._open.values() if not one.users and one is not line]
        for one in idle[: max(0, len(self._open) - self._MOST)]:
            await self._open.pop(one.batch).jellyfin.close()
        return line

    def pause(self, seconds: float) -> None:
        """The server has too much to do: all of them wait, and go on slower."""
        for line in self._open.values():
            line.tempo.pause(seconds)

    async def close(self) -> None:
        """Close all connections."""
        while self._open:
            await self._open.popitem()[1].jellyfin.close()

"""The page of the mounts that are watched, on all hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from medialift.queueing import mount_states
from medialift.queueing.mount_states import MountState
from medialift.web.access.gate import Reader
from medialift.web.context import Connected
from medialift.web.pages import page

router = APIRouter(prefix="/mounts", include_in_schema=False)

OLD = timedelta(minutes=10)
"""A mount that was not looked at for so long is shown as such: what is known of it may be over."""
KINDS: Mapping[str, str] = {"healthy": "well", "degraded": "warn", "unknown": "dim"}


@dataclass(frozen=True)
class Shown:
    """One mount; `old`: it was not looked at for long."""

    mount: MountState
    old: bool

    @property
    def kind(self) -> str:
        return "dim" if self.old else KINDS.get(self.mount.state, "bad")

    @property
    def reason(self) -> str:
        """Why it is not healthy, and why nothing is done about it."""
        told = (str(self.mount.detail.get(name) or "") for name in ("reason", "note"))
        return " ".join(one for one in told if one)

    @property
    def moments(self) -> dict[str, datetime]:
        """{words: when} of what its monitor remembers."""
        names = {
            "healthy last": "last_success",
            "recovered last": "recovered_at",
            "watched since": "started_at",
        }
        return {words: at for words, name in names.items() if (at := _moment(self.mount.detail, name))}


def shown(mounts: Sequence[MountState], now: datetime) -> list[Shown]:
    """The mounts as they are shown; those that need somebody come first."""
    rows = [Shown(one, now - one.at > OLD) for one in mounts]
    return sorted(rows, key=lambda one: (_TURNS[one.kind], one.mount.host, one.mount.point))


_TURNS = {"bad": 0, "warn": 1, "dim": 2, "well": 3}


@router.get("")
def mounts_page(request: Request, _: Reader, connection: Connected) -> HTMLResponse:
    """How each stands, since when, and why."""
    rows = shown(mount_states.listed(connection), datetime.now(UTC))
    return page(request, "mounts.html", mounts=rows, topics="mounts")


def _moment(detail: Mapping[str, Any], name: str) -> datetime | None:
    value = detail.get(name)
    try:
        return datetime.fromtimestamp(float(value), UTC) if value else None
    except (TypeError, ValueError, OverflowError, OSError):  # told by another release
        return None

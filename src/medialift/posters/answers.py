"""What an answer of Jellyfin means for a picture: whose fault it is, and when to ask again."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from medialift.errors import MedialiftError, Permanent, Transient

LONGEST_PAUSE = 3600.0
_USUAL_PAUSE = 5.0


class KeyRefused(Permanent):
    """401, 403: no picture is to blame, and none would go better. The pipeline is paused."""


class Missing(Permanent):
    """404: there is no such item, or it has no such picture."""


class Misunderstood(Permanent):
    """400, 415 and the like: Jellyfin does not take what it was sent."""


class Broken(Transient):
    """It failed inside."""


class Busy(Transient):
    """429, 503: it has too much to do. Nothing is asked for `seconds`."""

    def __init__(self, what: str, subject: str, hint: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(what, subject, hint)


class Away(Transient):
    """No connection, or it broke."""


class Late(Away):
    """No answer in time."""


class Unsure(Transient):
    """What was sent may have been stored, though no answer came: look before it is sent again."""


class Unusable(Transient):
    """What came is no whole picture."""


class Stopped(Transient):
    """The worker ends: this is given back."""


OF_THE_SERVER = (Away, Busy, Broken, Unsure)
"""What a server that is down has one say of every picture."""


def refused(response: httpx.Response, address: str) -> MedialiftError | None:
    """The error that an answer tells of; None when it is none."""
    status = response.status_code
    if response.is_success:
        return None
    said = f"{status} {response.reason_phrase}".strip()
    if status in (401, 403):
        return KeyRefused(
            f"Jellyfin refuses the key ({said})",
            address,
            "Make an API key in its dashboard and write it to posters.key_file, then resume",
        )
    if status in (404, 410):
        return Missing(f"Jellyfin has no such item or picture ({said})", address, "Rescan the library")
    if status in (429, 503):
        pause = retry_after(response.headers.get("retry-after"), datetime.now(UTC))
        return Busy(
            f"Jellyfin has too much to do ({said})", address, "Ask it less: see posters.interval", pause
        )
    if status in (408, 425) or status >= 500:
        return Broken(f"Jellyfin fails ({said})", address, "See its own log")
    if 300 <= status < 400:
        # It would take the key elsewhere.
        return Permanent(
            f"Jellyfin sends elsewhere ({said}), which is not followed",
            address,
            "Set posters.url to the server's own address",
        )
    return Misunderstood(f"Jellyfin does not take this ({said})", address, "See whether the id is right")


def retry_after(header: str | None, now: datetime) -> float:
    """Seconds of a Retry-After header: a number, or a date. Never longer than an hour."""
    if header is None:
        return _USUAL_PAUSE
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return _USUAL_PAUSE
    # "nan" is a number to Python.
    return min(seconds, LONGEST_PAUSE) if seconds > 0 else 0.0

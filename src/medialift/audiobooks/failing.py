"""What an error means for a book: whether it is tried again, when, and how often at most."""

from __future__ import annotations

from dataclasses import dataclass

from medialift.audiobooks import failures
from medialift.audiobooks.stages import CONVERT, Stage
from medialift.errors import MedialiftError, Permanent, Transient
from medialift.foundation.text import redact
from medialift.settings import AudiobooksSettings

_UNKNOWN_ATTEMPTS = 2


@dataclass(frozen=True)
class Meant:
    """What the ledger is told: the error, seconds until the next attempt, and how many are made at most."""

    error: MedialiftError
    delay: float
    limit: int


def meaning(error: BaseException, stage: Stage, attempts: int, settings: AudiobooksSettings) -> Meant:
    """What follows from an error.

    Args:
        attempts: made so far, this one among them.
    """
    verdict = failures.classify(error)
    if stage == CONVERT:
        limit, base = settings.max_retries + 1, settings.retry_base
    else:
        limit, base = settings.tagging.max_retries + 1, settings.tagging.retry_base
    if not settings.retry_transient:
        limit = 1
    if str(verdict) == "unknown":
        limit = min(limit, _UNKNOWN_ATTEMPTS)
    told = _told(error, again=str(verdict) != "permanent")
    return Meant(told, failures.delay(attempts, base), limit)


def _told(error: BaseException, *, again: bool) -> MedialiftError:
    """The error in the three parts that people are shown, of the kind that the verdict says."""
    if isinstance(error, MedialiftError):
        if isinstance(error, Transient) == again:
            return error
        kind = Transient if again else Permanent
        return kind(error.what, error.subject, error.hint)
    kind = Transient if again else Permanent
    if isinstance(error, OSError):
        subject = str(error.filename or "")
        return kind(error.strerror or type(error).__name__, redact(subject), _hint(error))
    return kind("The work on it broke", redact(repr(error)), "See the service's log")


def _hint(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "Give the user of the intake the right to it"
    return "Look at the disk or mount that it lies on"

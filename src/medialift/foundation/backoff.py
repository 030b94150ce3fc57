"""Backoff: when to try again. Only `Transient` is tried again, never `Permanent` or `Unsafe`.

Exponential with jitter, a cap on one wait, a limit on the attempts and on the whole time; stamina does the
arithmetic and the sleeping. The last error is raised as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import ParamSpec, TypedDict, TypeVar, Unpack

import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from medialift.errors import Transient
from medialift.foundation.text import redact

_P = ParamSpec("_P")
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


def _log_retry(details: RetryDetails) -> None:
    # stamina's own hook writes the arguments of the call too, and those may be secrets.
    _log.warning(
        "%s: attempt %d failed, again in %.1f s: %s",
        details.name,
        details.retry_num,
        details.wait_for,
        redact(str(details.caused_by)),
    )


set_on_retry_hooks([_log_retry])


class Patience(TypedDict, total=False):
    """How long to go on trying; what is not given is as `_DEFAULTS` says.

    Attributes:
        limit: how many attempts in all.
        at_most: seconds after which no further attempt is begun.
        first: seconds before the second attempt; doubled each time.
        longest: the cap on one wait, in seconds.
        jitter: up to so many seconds are added at random, so that many clients do not march in step.
    """

    limit: int
    at_most: float
    first: float
    longest: float
    jitter: float


class _Stamina(TypedDict):
    on: type[Transient]
    attempts: int
    timeout: float
    wait_initial: float
    wait_max: float
    wait_jitter: float


_DEFAULTS = Patience(limit=6, at_most=120.0, first=0.5, longest=30.0, jitter=0.5)


def attempts(**patience: Unpack[Patience]) -> Iterable[AbstractContextManager[object, bool | None]]:
    """Loop over attempts until one ends without `Transient`.

    Use:
        for attempt in attempts(limit=5):
            with attempt:
                reply = ask()
    """
    return stamina.retry_context(**_of(patience))


def retried(**patience: Unpack[Patience]) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """The same as a decorator. The function must be safe to call again."""
    return stamina.retry(**_of(patience))


def _of(patience: Patience) -> _Stamina:
    wanted: Patience = {**_DEFAULTS, **patience}
    return {
        "on": Transient,
        "attempts": wanted["limit"],
        "timeout": wanted["at_most"],
        "wait_initial": wanted["first"],
        "wait_max": wanted["longest"],
        "wait_jitter": wanted["jitter"],
    }

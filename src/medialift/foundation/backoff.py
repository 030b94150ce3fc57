"""Backoff: when to try again. Only `Transient` is tried again, never `Permanent` or `Unsafe`.

Exponential with jitter, a cap on one wait, a limit on the attempts and on the whole time; stamina does the
arithmetic and the sleeping. The last error is raised as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import ParamSpec, TypeVar

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


def attempts(
    *,
    limit: int = 6,
    at_most: float = 120.0,
    first: float = 0.5,
    longest: float = 30.0,
    jitter: float = 0.5,
) -> Iterable[AbstractContextManager[object, bool | None]]:
    """Loop over attempts until one ends without `Transient`.

    Args:
        limit: how many attempts in all.
        at_most: seconds after which no further attempt is begun.
        first: seconds before the second attempt; doubled each time.
        longest: the cap on one wait, in seconds.
        jitter: up to so many seconds are added at random, so that many clients do not march in step.

    Use:
        for attempt in attempts(limit=5):
            with attempt:
                reply = ask()
    """
    return stamina.retry_context(
        on=Transient,
        attempts=limit,
        timeout=at_most,
        wait_initial=first,
        wait_max=longest,
        wait_jitter=jitter,
    )


def retried(
    *,
    limit: int = 6,
    at_most: float = 120.0,
    first: float = 0.5,
    longest: float = 30.0,
    jitter: float = 0.5,
) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """The same as a decorator. The function must be safe to call again."""
    return stamina.retry(
        on=Transient,
        attempts=limit,
        timeout=at_most,
        wait_initial=first,
        wait_max=longest,
        wait_jitter=jitter,
    )

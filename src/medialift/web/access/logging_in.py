"""Logging in by name and password: counted first, checked then, and the same answer for every reason."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from medialift.queueing import events
from medialift.queueing.database import Database
from medialift.settings import DashboardSettings
from medialift.web.access import limiting, passwords, people, sessions
from medialift.web.access.callers import audit_name

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Given:
    """What came with a form: who they say they are, and where they come from."""

    name: str
    password: str
    address: str
    agent: str = ""


def log_in(database: Database, settings: DashboardSettings, given: Given) -> str | None:
    """Begin a session, and what its cookie holds; None when name and password are not right.

    Raises:
        TooMany: too many failed a short while ago, by this name or from this address.
    """
    attempt, kept = _right(database, settings, given)
    if kept is None:
        return None
    with database.engine.begin() as connection:
        # It may have been changed, or the person shut out, while the password was looked at.
        if people.kept_password(connection, attempt.name) != kept:
            return None
        limiting.succeeded(connection, attempt)
        if passwords.outdated(kept):
            people.hash_again(connection, attempt.name, given.password, kept)
        secret = sessions.begin(
            connection,
            attempt.name,
            lifetime=settings.session_lifetime,
            address=given.address,
            agent=given.agent,
        )
        events.record(
            connection, who=audit_name(attempt.name, "session"), what="logged in", subject=given.address
        )
    return secret


def knows_password(database: Database, settings: DashboardSettings, given: Given) -> bool:
    """Whether somebody who is logged in knows their password; counted as a login is.

    Raises:
        TooMany: too many tries.
    """
    attempt, kept = _right(database, settings, given)
    if kept is None:
        return False
    with database.engine.begin() as connection:
        limiting.succeeded(connection, attempt)
    return True


def _right(
    database: Database, settings: DashboardSettings, given: Given
) -> tuple[limiting.Attempt, str | None]:
    limit = limiting.Limit(settings.login_attempts, settings.login_window)
    name = given.name.strip().lower()
    with database.engine.begin() as connection:
        attempt = limiting.begin(connection, name, given.address, limit)
        kept = people.kept_password(connection, attempt.name)
    if passwords.right(given.password, kept):
        return attempt, kept
    # Not the name: people type their password there. Programs that ban addresses read this line.
    _log.warning("A login failed, from %s", given.address)
    return attempt, None

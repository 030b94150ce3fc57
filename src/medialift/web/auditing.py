"""Every manual action is written down: who, what, to which object, what it was and is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from medialift.queueing import events
from medialift.web.access.callers import Caller, audit_name


def who(caller: Caller) -> str:
    """The caller as the audit names them."""
    return audit_name(caller.name, caller.how)


def audited(
    connection: Connection,
    caller: Caller,
    what: str,
    subject: str = "",
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Note an action in the transaction that does it. Nothing secret belongs into it."""
    events.record(connection, who=who(caller), what=what, subject=subject, before=before, after=after)

"""The tags that say what is ours: whose it is, when it ends, and how it is known.

medialift:<name>                  made for the instance of this name; nothing else is ever removed
medialift-expires:<UTC>           after this, the reaper takes it away
medialift-host-key:<base64>       the public host key
medialift-creating                not ready yet: nothing on it is worth keeping
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from medialift.errors import Permanent

from .hostkey import TYPE, HostKey

OWNER = "medialift:"
EXPIRES = "medialift-expires:"
HOST_KEY = "medialift-host-key:"
CREATING = "medialift-creating"

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


def checked_name(name: str) -> str:
    """The name, if it can be a host name and a tag.

    Raises:
        Permanent: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise Permanent(
            "This cannot be the name of an instance",
            name or "(empty)",
            "Use up to 40 small letters, digits and hyphens",
        )
    return name


def owner(name: str) -> str:
    return f"{OWNER}{name}"


def owner_of(tags: Iterable[str]) -> str | None:
    """The name of the instance that a resource was made for."""
    return next((tag.removeprefix(OWNER) for tag in tags if tag.startswith(OWNER)), None)


def expires(at: datetime) -> str:
    return f"{EXPIRES}{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def expiry_of(tags: Iterable[str]) -> datetime | None:
    """When a resource ends, or None when no tag says so.

    Raises:
        Permanent: a tag says so in a way that is no time.
    """
    said = next((tag.removeprefix(EXPIRES) for tag in tags if tag.startswith(EXPIRES)), None)
    if said is None:
        return None
    try:
        at = datetime.fromisoformat(said)
    except ValueError as error:
        raise Permanent(
            "An expiry tag is no time", f"{EXPIRES}{said}", "Correct the tag, or remove the instance by hand"
        ) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def host_key(key: HostKey) -> str:
    return f"{HOST_KEY}{key.blob}"


def host_key_of(tags: Iterable[str]) -> HostKey | None:
    """The public host key that the tags tell."""
    blob = next((tag.removeprefix(HOST_KEY) for tag in tags if tag.startswith(HOST_KEY)), None)
    return None if blob is None else HostKey(f"{TYPE} {blob}")


def is_ours(tag: str) -> bool:
    return tag.startswith((OWNER, EXPIRES, HOST_KEY)) or tag == CREATING


def of_user(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags that are not ours, sorted."""
    return tuple(sorted({tag for tag in tags if not is_ours(tag)}))

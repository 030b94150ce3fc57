"""Keys that end by themselves: what an instance uses for the object store, never the account's own key.

A key belongs to an IAM application that may use the object store only. It is described as
`medialift:<name>`, so it is found and revoked without anybody remembering it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from medialift.errors import Permanent

from . import tags
from .scaleway import NotFound, Scaleway


@dataclass(frozen=True)
class Key:
    """An API key. The secret is told once, when the key is made, and never again."""

    access_key: str
    secret_key: str = field(repr=False)
    expires: datetime


def issue(cloud: Scaleway, application_id: str, name: str, lifetime: float) -> Key:
    """A new key of the application for the instance of this name; keys issued for it before are revoked.

    Args:
        lifetime: seconds until it ends by itself.

    Raises:
        Permanent: there is no such application.
    """
    description = tags.owner(tags.checked_name(name))
    revoke(cloud, application_id, name)
    end = datetime.fromtimestamp(cloud.clock.now(), UTC) + timedelta(seconds=lifetime)
    try:
        made = cloud.iam.create_api_key(
            application_id=application_id,
            description=description,
            default_project_id=cloud.account.project_id,
            expires_at=end,
        )
    except NotFound as error:
        raise Permanent(
            "There is no such IAM application", application_id, "Make one that may use the object store only"
        ) from error
    if not made.secret_key:
        raise Permanent("Scaleway made a key without telling its secret", made.access_key)
    return Key(made.access_key, made.secret_key, end)


def revoke(cloud: Scaleway, application_id: str, name: str) -> list[str]:
    """Revoke the keys issued for this name; returns their access keys. No fault when there are none."""
    description = tags.owner(name)
    found: list[Any] = cloud.iam.list_api_keys_all(
        bearer_id=application_id, organization_id=cloud.account.organization_id
    )
    revoked = [key.access_key for key in found if key.description == description]
    for access_key in revoked:
        cloud.iam.delete_api_key(access_key=access_key)
    return revoked

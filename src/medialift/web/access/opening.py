"""Whether a dashboard may listen where it is to: while nobody can log in, on its own host only."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Connection, text

from medialift.errors import Permanent
from medialift.settings import DashboardSettings
from medialift.web.access.hosts import is_loopback
from medialift.web.access.proxies import Proxies

_SETTLED = text(
    "select exists (select from person)"
    " or exists (select from access_token where expires is null or expires > now())"
)
_ENTERED = text(
    """
select exists (select from person where not disabled)
    or exists (
       select from access_token token left join person on person.name = token.person
        where (token.expires is null or token.expires > now()) and not coalesce(person.disabled, false))
"""
)


def proxies_of(settings: DashboardSettings) -> Proxies:
    """The reverse proxies of the settings.

    Raises:
        Permanent: one of their addresses is none.
    """
    return _proxies(settings.proxy_addresses, settings.proxy_header)


@lru_cache(maxsize=8)
def _proxies(addresses: tuple[str, ...], header: str) -> Proxies:
    return Proxies(addresses, header)


def settled(connection: Connection) -> bool:
    """Whether it was said who may use it: from then on nobody may who is not known."""
    return bool(connection.execute(_SETTLED).scalar_one())


def check(connection: Connection, settings: DashboardSettings) -> None:
    """Refuse to listen where everybody could come and nobody could be told from others.

    Raises:
        Permanent: nobody can log in, and it would be reached from other hosts; or the settings of its
            proxies are wrong.
    """
    proxies = proxies_of(settings)
    if settings.proxy_header and not proxies.any:
        raise Permanent(
            "It is not said which proxies may name people",
            f"dashboard.proxy_header = {settings.proxy_header}",
            "Give their addresses in dashboard.proxy_addresses",
        )
    if is_loopback(settings.host) or proxies.name_people or connection.execute(_ENTERED).scalar_one():
        return
    raise Permanent(
        "Nobody can log in yet, so the dashboard listens on this host only",
        f"dashboard.host = {settings.host}",
        "Add a person (`medialift dashboard person add NAME --scope admin`), or set dashboard.host to "
        "127.0.0.1",
    )

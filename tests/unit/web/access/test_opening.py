"""Where a dashboard may listen: on its own host always, elsewhere when somebody can be known."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from medialift.errors import Permanent
from medialift.settings import DashboardSettings
from medialift.web.access import opening, people, tokens


def may_listen(connection, **settings) -> bool:
    try:
        opening.check(connection, DashboardSettings(**settings))
    except Permanent:
        return False
    return True


def test_while_nobody_can_log_in_it_listens_on_its_own_host_only(connection):
    for host, may in (("127.0.0.1", True), ("::1", True), ("localhost", True)):
        assert may_listen(connection, host=host) is may
    for host in ("0.0.0.0", "::", "10.0.0.7", "media.example"):
        assert not may_listen(connection, host=host)
    assert not opening.settled(connection)


def test_a_person_a_token_or_a_proxy_that_names_people_is_enough_to_listen_elsewhere(connection):
    behind = {"proxy_addresses": ["10.0.0.1"], "proxy_header": "Remote-User"}
    assert may_listen(connection, host="0.0.0.0", **behind)
    assert not may_listen(connection, host="0.0.0.0", proxy_addresses=["10.0.0.1"])
    tokens.create(connection, "script")
    assert may_listen(connection, host="0.0.0.0") and opening.settled(connection)
    connection.execute(text("update access_token set expires = now()"))
    assert not may_listen(connection, host="0.0.0.0") and not opening.settled(connection)
    people.add(connection, "alice", "correct horse battery")
    assert may_listen(connection, host="0.0.0.0") and opening.settled(connection)
    people.set_disabled(connection, "alice", True)
    assert not may_listen(connection, host="0.0.0.0")
    # Whoever was set up and is shut out does not open the door for everybody else.
    assert opening.settled(connection)


def test_wrong_settings_of_proxies_are_told_before_anybody_asks(connection):
    with pytest.raises(Permanent, match="no address of a proxy"):
        opening.check(connection, DashboardSettings(proxy_addresses=["proxy.example"]))
    with pytest.raises(Permanent, match="which proxies may name people"):
        opening.check(connection, DashboardSettings(proxy_header="Remote-User"))

"""Sessions of browsers: how they begin, go on and end."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from medialift.web.access import people, sessions

DAY = 86_400.0


@pytest.fixture(autouse=True)
def alice(connection):
    people.add(connection, "alice", "correct horse battery", "act")


def shift(connection, **columns: str) -> None:
    """Have the session's moments lie further back."""
    for name, by in columns.items():
        connection.execute(text(f"update browser_session set {name} = {name} - interval '{by}'"))


def test_a_session_is_found_by_its_cookie_of_which_only_a_hash_is_kept(connection):
    secret = sessions.begin(connection, "alice", lifetime=DAY, address="10.0.0.7", agent="Firefox")
    found = sessions.find(connection, secret, lifetime=DAY)
    assert (found.person, found.scope, found.address, found.agent) == ("alice", "act", "10.0.0.7", "Firefox")
    kept = connection.execute(
        text("select row_to_json(browser_session)::text from browser_session")
    ).scalar_one()
    assert secret not in kept
    assert found.csrf and found.csrf not in secret
    for other in ("", "x", secret + "x", secret[:-1], found.id, "\udcff"):
        assert sessions.find(connection, other, lifetime=DAY) is None


def test_a_session_that_is_used_goes_on_and_one_that_is_not_ends(connection):
    used, idle = (sessions.begin(connection, "alice", lifetime=DAY) for _ in range(2))
    shift(connection, created="20 hours", seen="20 hours", expires="20 hours")
    assert sessions.find(connection, used, lifetime=DAY) is not None
    shift(connection, created="20 hours", seen="20 hours", expires="20 hours")
    assert sessions.find(connection, used, lifetime=DAY) is not None
    assert sessions.find(connection, idle, lifetime=DAY) is None


def test_a_session_ends_after_some_lifetimes_however_much_it_is_used(connection):
    secret = sessions.begin(connection, "alice", lifetime=DAY)
    shift(connection, created=f"{sessions.LONGEST * 24 - 1} hours", seen="1 hour")
    assert sessions.find(connection, secret, lifetime=DAY) is not None
    left = connection.execute(text("select expires - now() < interval '61 minutes' from browser_session"))
    assert left.scalar_one() is True


def test_a_session_ends_by_logging_out_and_by_its_id_for_its_own_person_only(connection):
    people.add(connection, "bob", "correct horse battery")
    one, other = (sessions.begin(connection, "alice", lifetime=DAY) for _ in range(2))
    assert sessions.end(connection, one) == "alice"
    assert sessions.end(connection, one) is None
    [left] = sessions.listed(connection, "alice")
    assert sessions.end_one(connection, "bob", left.id) is False
    assert sessions.end_one(connection, "alice", left.id) is True
    assert sessions.find(connection, other, lifetime=DAY) is None


def test_what_has_expired_is_tidied_away_when_somebody_logs_in(connection):
    sessions.begin(connection, "alice", lifetime=DAY)
    shift(connection, expires="2 days")
    sessions.begin(connection, "alice", lifetime=DAY, agent="x" * 5000)
    assert connection.execute(text("select length(agent) from browser_session")).scalars().all() == [200]

"""Tokens: told once, kept as a hash, taken until they expire or are revoked."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from medialift.errors import Permanent
from medialift.queueing import events
from medialift.web.access import people, tokens
from medialift.web.access.refusals import Taken, Unknown


def test_a_token_is_taken_and_nowhere_to_be_read_again(connection):
    secret, token = tokens.create(connection, "burst", "act", seconds=3600)
    assert secret.startswith("mlt_") and len(secret) > 40
    assert tokens.shown(connection, secret) == ("burst", "act")
    kept = connection.execute(text("select row_to_json(access_token)::text from access_token")).scalar_one()
    assert secret not in kept and secret.removeprefix("mlt_") not in kept
    assert secret not in str(events.latest(connection)) and "burst" in str(events.latest(connection))
    assert not token.expired and token.expires > token.created
    [listed] = tokens.listed(connection)
    assert listed.used is not None


def test_two_tokens_are_never_the_same(connection):
    made = {tokens.create(connection, f"one-{number}")[0] for number in range(20)}
    assert len(made) == 20


def test_a_token_that_has_expired_is_not_taken(connection):
    secret, _ = tokens.create(connection, "short", seconds=3600)
    connection.execute(text("update access_token set expires = now() - interval '1 second'"))
    assert tokens.shown(connection, secret) is None
    assert [one.expired for one in tokens.listed(connection)] == [True]


def test_a_token_that_was_revoked_is_not_taken(connection):
    secret, _ = tokens.create(connection, "gone")
    tokens.revoke(connection, "gone")
    assert tokens.shown(connection, secret) is None
    assert events.latest(connection)[0].what == "token revoked"
    with pytest.raises(Unknown):
        tokens.revoke(connection, "gone")


def test_what_is_no_token_is_not_taken(connection):
    tokens.create(connection, "one")
    for shown in ("", "mlt_", "mlt_x", "Bearer", "mlt_\udcff", "mlt_'; drop table person; --"):
        assert tokens.shown(connection, shown) is None


def test_a_token_of_a_person_can_do_no_more_than_the_person(connection):
    people.add(connection, "alice", "correct horse battery", "act")
    secret, _ = tokens.create(connection, "too-much", "admin", person="alice")
    assert tokens.shown(connection, secret) == ("too-much", "act")
    lesser, _ = tokens.create(connection, "less", "read", person="alice")
    assert tokens.shown(connection, lesser) == ("less", "read")


def test_a_name_is_given_once_and_the_owner_must_be_there(connection):
    tokens.create(connection, "one")
    with pytest.raises(Taken):
        tokens.create(connection, "one")
    with pytest.raises(Unknown):
        tokens.create(connection, "two", person="nobody")


def test_a_token_that_would_end_at_once_or_in_no_time_is_refused(connection):
    for seconds in (0, -1, float("inf"), float("nan")):
        with pytest.raises(Permanent, match="cannot last so long"):
            tokens.create(connection, "one", seconds=seconds)

"""People who may log in: what is kept of them, and what becomes of their sessions and tokens."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from medialift.errors import Permanent
from medialift.queueing import events
from medialift.web.access import passwords, people, sessions, tokens
from medialift.web.access.refusals import Taken, Unknown

PASSWORD = "correct horse battery"


def test_a_person_is_kept_in_small_letters_with_a_hash_of_argon2id(connection):
    added = people.add(connection, " Alice ", PASSWORD, "act", who="root@home")
    assert (added.name, added.scope, added.disabled) == ("alice", "act", False)
    kept = connection.execute(text("select password from person")).scalar_one()
    assert kept.startswith("$argon2id$") and PASSWORD not in kept
    [event] = events.latest(connection)
    assert (event.who, event.what, event.subject, event.after) == (
        "root@home",
        "person added",
        "alice",
        {"scope": "act"},
    )


def test_a_name_is_given_once_whatever_its_letters(connection):
    people.add(connection, "alice", PASSWORD)
    with pytest.raises(Taken):
        people.add(connection, "ALICE", PASSWORD)


@pytest.mark.parametrize(
    "name",
    ["", " ", "<script>alert(1)</script>", "a b", "../a", "-a", "a\0b", "a\nb", "é", "a" * 65, "a'--", "a;b"],
)
def test_what_is_no_name_is_refused(name):
    with pytest.raises(Permanent, match="not a name"):
        people.name_of(name)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "fewer than 10"),
        ("ninechars", "fewer than 10"),
        ("aaaaaaaaaaaa", "repeats"),
        ("Benjamin-2026", "little more than the name"),
        pytest.param("x" * 2000, "more than 1024", id="endless"),
    ],
)
def test_a_weak_password_is_refused_and_not_told(password, why):
    with pytest.raises(Permanent, match=why) as refused:
        passwords.check(password, "benjamin")
    assert not password or password not in str(refused.value)


def test_neither_a_bad_name_nor_a_weak_password_is_added(connection):
    for name, password in (("<b>", PASSWORD), ("benjamin", "short")):
        with pytest.raises(Permanent):
            people.add(connection, name, password)
    assert people.listed(connection) == [] and events.latest(connection) == []


def test_a_password_is_right_however_its_letters_are_composed(connection):
    people.add(connection, "zoe", "caf\u00e9 au lait noir")
    kept = people.kept_password(connection, "zoe")
    assert passwords.right("cafe\u0301 au lait noir", kept)
    assert not passwords.right("cafe au lait noir", kept)
    assert not passwords.right("caf\u00e9 au lait noir", None)


def test_another_password_ends_all_sessions_but_the_one_that_set_it(connection):
    people.add(connection, "alice", PASSWORD)
    here, there = (sessions.begin(connection, "alice", lifetime=60) for _ in range(2))
    kept = sessions.find(connection, here, lifetime=60)
    people.set_password(connection, "alice", "another long one", keep=kept.hash)
    assert sessions.find(connection, here, lifetime=60) is not None
    assert sessions.find(connection, there, lifetime=60) is None
    people.set_password(connection, "alice", "and one more now")
    assert sessions.find(connection, here, lifetime=60) is None
    assert all(PASSWORD not in str(event) for event in events.latest(connection))


def test_whoever_is_shut_out_is_logged_out_and_their_tokens_are_not_taken(connection):
    people.add(connection, "alice", PASSWORD, "admin")
    cookie = sessions.begin(connection, "alice", lifetime=60)
    secret, _ = tokens.create(connection, "alices-script", "admin", person="alice")
    assert people.set_disabled(connection, "alice", True) is True
    assert people.set_disabled(connection, "alice", True) is False
    assert sessions.find(connection, cookie, lifetime=60) is None
    assert tokens.shown(connection, secret) is None
    assert people.kept_password(connection, "alice") is None
    connection.execute(text("update person set disabled = false"))
    late = sessions.begin(connection, "alice", lifetime=60)
    connection.execute(text("update person set disabled = true"))
    assert sessions.find(connection, late, lifetime=60) is None
    people.set_disabled(connection, "alice", False)
    assert tokens.shown(connection, secret) == ("alices-script", "admin")
    assert sessions.find(connection, cookie, lifetime=60) is None


def test_a_change_of_scope_counts_at_once_for_sessions_and_tokens(connection):
    people.add(connection, "alice", PASSWORD, "admin")
    cookie = sessions.begin(connection, "alice", lifetime=60)
    secret, _ = tokens.create(connection, "alices-script", "admin", person="alice")
    assert people.set_scope(connection, "alice", "read") is True
    assert people.set_scope(connection, "alice", "read") is False
    assert sessions.find(connection, cookie, lifetime=60).scope == "read"
    assert tokens.shown(connection, secret) == ("alices-script", "read")
    assert (events.latest(connection)[0].before, events.latest(connection)[0].after) == (
        {"scope": "admin"},
        {"scope": "read"},
    )
    with pytest.raises(Permanent, match="no such scope"):
        people.set_scope(connection, "alice", "root")


def test_whoever_is_removed_takes_their_sessions_and_tokens_along_and_stays_in_the_audit(connection):
    people.add(connection, "alice", PASSWORD, "act")
    cookie = sessions.begin(connection, "alice", lifetime=60)
    secret, _ = tokens.create(connection, "alices-script", person="alice")
    people.remove(connection, "Alice")
    assert not people.anybody(connection)
    assert sessions.find(connection, cookie, lifetime=60) is None
    assert tokens.shown(connection, secret) is None
    assert events.latest(connection)[0].before == {"scope": "act", "disabled": False}


def test_nobody_is_changed_who_is_not_there(connection):
    for change in (
        lambda: people.set_password(connection, "bob", PASSWORD),
        lambda: people.set_scope(connection, "bob", "read"),
        lambda: people.set_disabled(connection, "bob", True),
        lambda: people.remove(connection, "bob"),
    ):
        with pytest.raises(Unknown):
            change()
    assert events.latest(connection) == []

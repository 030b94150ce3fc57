"""How many logins may fail: by name, by address, also at once and after a restart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from medialift.queueing.database import Database
from medialift.web.access import limiting
from medialift.web.access.limiting import Limit, of_whom
from medialift.web.access.refusals import TooMany

LIMIT = Limit(attempts=3, window=300)


def attempt(database: Database, name: str, address: str) -> limiting.Attempt | None:
    """One that fails; None when it is not even taken."""
    with database.engine.begin() as connection:
        try:
            return limiting.begin(connection, name, address, LIMIT)
        except TooMany:
            return None


def test_so_many_fail_by_one_name_wherever_they_come_from(database):
    taken = [attempt(database, "alice", f"10.0.0.{number}") for number in range(5)]
    assert [one is not None for one in taken] == [True, True, True, False, False]
    assert attempt(database, "bob", "10.0.0.1") is not None


def test_so_many_fail_from_one_address_whatever_the_name(database):
    taken = [attempt(database, f"person-{number}", "10.0.0.7") for number in range(5)]
    assert [one is not None for one in taken] == [True, True, True, False, False]
    assert attempt(database, "person-9", "10.0.0.8") is not None


def test_who_waits_until_the_oldest_leaves_the_window_is_taken_again(database):
    for _ in range(3):
        attempt(database, "alice", "10.0.0.7")
    with database.engine.begin() as connection:
        connection.execute(text("update login_failure set at = at - interval '295 seconds' where id = 1"))
        with pytest.raises(TooMany) as refused:
            limiting.begin(connection, "alice", "10.0.0.7", LIMIT)
    assert 0 < refused.value.seconds <= 5
    with database.engine.begin() as connection:
        connection.execute(text("update login_failure set at = at - interval '5 seconds' where id = 1"))
    assert attempt(database, "alice", "10.0.0.7") is not None
    assert attempt(database, "alice", "10.0.0.7") is None


def test_a_refusal_does_not_make_the_wait_longer(database):
    for _ in range(10):
        attempt(database, "alice", "10.0.0.7")
    with database.engine.connect() as connection:
        assert connection.execute(text("select count(*) from login_failure")).scalar_one() == 3


def test_twenty_at_once_are_counted_like_twenty_in_a_row(database):
    with ThreadPoolExecutor(10) as pool:
        taken = list(pool.map(lambda number: attempt(database, "alice", f"10.0.{number}.1"), range(20)))
    assert sum(one is not None for one in taken) == 3


def test_whoever_logs_in_between_gets_no_more_tries_at_the_passwords_of_others(database):
    for _ in range(2):
        attempt(database, "victim", "10.0.0.7")
    own = attempt(database, "mallory", "10.0.0.7")
    with database.engine.begin() as connection:
        limiting.succeeded(connection, own)
    assert attempt(database, "victim", "10.0.0.7") is not None
    assert attempt(database, "victim", "10.0.0.7") is None


def test_a_success_forgives_what_the_same_person_mistyped_at_the_same_place(database):
    tries = [attempt(database, "alice", "10.0.0.7") for _ in range(3)]
    with database.engine.begin() as connection:
        limiting.succeeded(connection, tries[-1])
    assert attempt(database, "alice", "10.0.0.7") is not None


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("nowhere", "nowhere"),
    ],
)
def test_of_ipv6_a_whole_network_counts_as_one_address(address, counted):
    assert of_whom(address) == counted

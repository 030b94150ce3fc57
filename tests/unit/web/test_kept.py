"""Counts of a large ledger: made once for all who ask, and never of long ago."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from medialift.foundation.waiting import wait_until
from medialift.queueing.database import Database
from medialift.web import kept, totals
from medialift.web.kept import Kept
from tests.dashboard_world import within


def items(connection: Connection) -> int:
    return int(connection.execute(text("select count(*) from item")).scalar_one())


def add(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "insert into item (pipeline, collection, key)"
                " select 'books', 'calibre', (count(*) + 1)::text from item"
            )
        )


def ask(counts: Kept, count=items, name: str = "items") -> kept.Counted[int]:
    with counts.database.engine.begin() as connection:
        return counts.of(connection, name, count)


def test_a_small_ledger_is_counted_for_every_answer(database: Database):
    counts = Kept(database)
    for number in (1, 2, 3):
        add(database)
        assert ask(counts).value == number


def test_a_large_one_is_counted_for_all_who_ask_within_a_second(database: Database):
    counts = Kept(database, small=0)
    first = ask(counts)
    add(database)
    again = ask(counts)
    assert (again.value, again.at) == (0, first.at)


def test_a_count_is_exact_for_the_moment_that_it_tells_and_made_anew_beside_the_answers(database: Database):
    counts = Kept(database, small=0)
    first = ask(counts)
    add(database)
    assert wait_until(lambda: ask(counts).value == 1, at_most=20, every=0.05)
    assert ask(counts).at > first.at


def test_who_asks_at_once_waits_for_the_same_count(database: Database):
    counts, calls, go = Kept(database, small=0), [], Event()

    def slow(connection: Connection) -> int:
        calls.append(1)
        go.wait(20)
        return items(connection)

    with ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(ask, counts, slow) for _ in range(5)]
        assert wait_until(lambda: bool(calls), at_most=20, every=0.01)
        go.set()
        assert {answer.result(20).value for answer in answers} == {0}
    assert len(calls) == 1


def test_what_nobody_asked_for_is_not_shown_as_of_long_ago(database: Database, monkeypatch):
    counts = Kept(database, small=0)
    ask(counts)
    add(database)
    monkeypatch.setattr(kept, "_FRESH_SECONDS", 0.0)
    monkeypatch.setattr(kept, "_OLDEST_SECONDS", 0.0)
    monkeypatch.setattr(kept, "_SHARE", 0.0)
    assert ask(counts).value == 1


def test_a_count_that_fails_is_told_to_who_waits_and_made_again_for_the_next(database: Database):
    counts = Kept(database, small=0)

    def broken(connection: Connection) -> int:
        return int(connection.execute(text("select 1 / 0")).scalar_one())

    with pytest.raises(DBAPIError):
        ask(counts, broken)
    assert ask(counts).value == 0


def test_what_was_counted_at_the_start_nobody_waits_for(database: Database):
    add(database)
    with within(database) as client:
        context = client.app.state.context
        context.kept.small = 0
        totals.warm(context)
        counts: list[str] = []
        with database.engine.begin() as connection:
            told = context.kept.of(connection, ("counts", "books", "calibre"), counts.append)
        assert told.value.total == 1 and counts == []


def test_a_ledger_that_is_away_at_the_start_is_counted_when_it_is_asked_for(postgres):
    url = postgres.fresh()
    with Database(url) as gone, within(gone) as client:
        postgres.drop(url)
        totals.warm(client.app.state.context)
        assert client.get("/api/v1/status").status_code == 503

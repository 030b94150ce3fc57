"""The day's tokens: set aside before a question, settled after it, never exceeded by two at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from medialift.errors import Transient
from medialift.healing.model.budget import Budget
from medialift.queueing.database import Database


def rows(database: Database) -> list[tuple[int, int, int]]:
    """(days ago, tokens, questions)"""
    with database.engine.connect() as connection:
        found = connection.execute(
            text(
                "select (now() at time zone 'utc')::date - day as ago, tokens, asked from model_usage"
                " order by day desc"
            )
        )
        return [(row.ago, row.tokens, row.asked) for row in found]


def yesterday(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text("update model_usage set day = day - 1"))


def test_what_was_set_aside_counts_until_it_is_settled(database):
    budget = Budget(database.engine, 1000)
    reservation = budget.reserve(400)
    assert budget.spent() == 400
    budget.settle(reservation, 150)
    assert rows(database) == [(0, 150, 1)]


def test_a_question_that_took_more_than_was_set_aside_counts_in_full(database):
    budget = Budget(database.engine, 1000)
    budget.settle(budget.reserve(400), 1700)
    assert budget.spent() == 1700
    assert budget.reserve(1) is None


def test_the_limit_can_be_reached_and_not_passed(database):
    budget = Budget(database.engine, 1000)
    assert budget.reserve(600) is not None
    assert budget.reserve(401) is None
    assert budget.reserve(400) is not None
    assert budget.reserve(1) is None
    assert rows(database) == [(0, 1000, 2)]


@pytest.mark.parametrize("limit", [0, 399])
def test_a_limit_below_one_question_lets_none_through(database, limit):
    assert Budget(database.engine, limit).reserve(400) is None
    assert rows(database) == []


def test_a_new_day_has_its_own_budget(database):
    budget = Budget(database.engine, 1000)
    budget.reserve(1000)
    yesterday(database)
    assert budget.reserve(1000) is not None
    assert rows(database) == [(0, 1000, 1), (1, 1000, 1)]


def test_a_question_over_midnight_is_settled_on_the_day_on_which_it_was_asked(database):
    budget = Budget(database.engine, 1000)
    before = budget.reserve(500)
    with database.engine.begin() as connection:
        connection.execute(
            text("insert into model_usage values (cast(:day as date) + 1, 7, 1)"), vars(before)
        )
    budget.settle(before, 100)
    with database.engine.connect() as connection:
        found = connection.execute(text("select tokens from model_usage order by day")).scalars().all()
    assert found == [100, 7]


def test_many_that_ask_at_once_never_pass_the_limit_together(database):
    budget = Budget(database.engine, 1000)
    with ThreadPoolExecutor(8) as crew:
        got = list(crew.map(lambda _: budget.reserve(90), range(40)))
    assert sum(one is not None for one in got) == 11
    assert budget.spent() == 990


def test_a_dead_database_is_told(postgres_of_test, database):
    budget = Budget(database.engine, 1000)
    reservation = budget.reserve(10)
    postgres_of_test.stop()
    for ask in (lambda: budget.reserve(1), lambda: budget.settle(reservation, 0), budget.spent):
        with pytest.raises(Transient, match="does not answer"):
            ask()

"""The history of the healing: kept as it was, found by what it is about, and without secrets."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from medialift.healing import history
from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.history import Entry, What
from medialift.healing.plain import plain
from medialift.queueing import cleaning
from medialift.queueing.database import Database
from tests.queue_world import Books


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database)


def entry(what: What = What.FINDING, **given: Any) -> Entry:
    return Entry(what, **{"host": "home", "pipeline": "books", "worker": "home@1", **given})


def subjects(found: list[Entry]) -> list[str]:
    return [one.subject for one in found]


def test_an_entry_is_kept_as_it_was_written(books: Books) -> None:
    decision = Decision(Cause.HUNG, Remedy.RESTART, "rule hung", "It waits", settings={"batch": 5})
    number = books.read(
        history.record,
        entry(What.DECISION, outcome="restart", subject="It waits", detail={"decision": decision.to_dict()}),
    )
    (one,) = books.read(history.latest)
    assert (one.id, one.what, one.host, one.worker, one.outcome) == (
        number,
        What.DECISION,
        "home",
        "home@1",
        "restart",
    )
    assert one.detail["decision"]["remedy"] == "restart" and one.detail["decision"]["settings"] == {
        "batch": 5
    }
    assert one.at is not None
    assert json.loads(json.dumps(one.to_dict()))["what"] == "decision"


def test_the_newest_comes_first_and_the_older_ones_page_by_page(books: Books) -> None:
    for number in range(5):
        books.read(history.record, entry(subject=str(number)))
    page = books.read(history.latest, limit=2)
    assert subjects(page) == ["4", "3"]
    assert subjects(books.read(history.latest, limit=2, before=page[-1].id)) == ["2", "1"]


def test_it_is_found_by_worker_pipeline_kind_and_host(books: Books) -> None:
    books.read(history.record, entry(subject="one"))
    books.read(history.record, entry(worker="home@2", subject="two"))
    books.read(history.record, entry(What.SCALING, worker="", pipeline="posters", subject="three"))
    books.read(history.record, entry(host="elsewhere", worker="elsewhere@1", subject="four"))
    assert subjects(books.read(history.latest, worker="home@2")) == ["two"]
    assert subjects(books.read(history.latest, pipeline="posters")) == ["three"]
    assert subjects(books.read(history.latest, what=What.SCALING)) == ["three"]
    assert subjects(books.read(history.latest, what="finding", host="home")) == ["two", "one"]


def test_what_is_no_kind_of_entry_is_not_kept(books: Books) -> None:
    with pytest.raises(IntegrityError):
        books.execute("insert into finding (host, what) values ('home', 'rumour')")


def test_a_log_that_the_database_could_not_keep_is_kept_without_what_it_cannot(books: Books) -> None:
    awkward = {"log": ("a\0b", "\udc80 half a letter"), "rate": inf, "path": Path("/srv"), "seen": {1: None}}
    books.read(history.record, entry(subject="NUL \0 in it", detail=awkward))
    (one,) = books.read(history.latest)
    assert one.subject == "NUL  in it"
    assert one.detail == {"log": ["ab", "? half a letter"], "rate": None, "path": "/srv", "seen": {"1": None}}


def test_no_secret_gets_into_the_history(books: Books) -> None:
    log = ["login failed: password=hunter2", "GET https://anna:hunter2@server/api"]
    books.read(history.record, entry(subject="token=hunter2hunter2", detail={"evidence": {"log": log}}))
    (one,) = books.read(history.latest)
    assert "hunter2" not in json.dumps(one.to_dict())


def test_what_is_older_than_three_months_is_cleared_away(books: Books) -> None:
    books.read(history.record, entry(subject="old"))
    books.execute("update finding set at = now() - interval '91 days'")
    books.execute("insert into model_usage (day, tokens) values (current_date - 91, 5), (current_date, 6)")
    books.read(history.record, entry(subject="new"))
    books.read(cleaning.forget)
    assert subjects(books.read(history.latest)) == ["new"]
    assert books.scalar("select sum(tokens) from model_usage") == 6


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    max_leaves=20,
)


@given(anything)
def test_anything_becomes_what_json_can_hold_and_stays_so(value: Any) -> None:
    kept = plain(value)
    said = json.dumps(kept, allow_nan=False)
    assert "\\u0000" not in said.replace("\\\\", "")
    assert plain(kept) == kept

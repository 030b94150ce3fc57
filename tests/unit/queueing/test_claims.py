"""Claiming items: who gets which, for how long, and whose result counts."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import text

from medialift.errors import Permanent, Transient
from medialift.queueing import claims, control, items, ledger
from medialift.queueing.database import Database
from medialift.queueing.items import Which
from tests.queue_world import Books


def test_items_are_leased_once_the_most_urgent_first(books: Books) -> None:
    books.add("a", "b", "c", "d")
    books.prioritise("c", 5)
    assert [lease.key for lease in books.claim(3)] == ["c", "a", "b"]
    assert [lease.key for lease in books.claim(3, owner="other")] == ["d"]
    assert books.claim(3) == []


def test_a_lease_carries_what_the_plan_left(books: Books) -> None:
    books.add("a", payload={"path": "Ш"}, fingerprint="f", weight=3, size=70)
    (lease,) = books.claim(1)
    assert (lease.payload, lease.fingerprint, lease.weight, lease.bytes) == ({"path": "Ш"}, "f", 3, 70)
    assert (lease.attempts, lease.cancel) == (1, False)


def test_a_later_claim_has_a_higher_token(books: Books) -> None:
    books.add("a", "b")
    (first,), (second,) = books.claim(1), books.claim(1)
    assert second.token > first.token


def test_a_finished_item_is_done_with_its_result_and_never_claimed_again(books: Books) -> None:
    books.add("a")
    (lease,) = books.claim(1)
    assert books.finish(lease, {"source": 7})
    assert (books.state("a"), books.row("a").result) == ("done", {"source": 7})
    assert books.claim(1) == []


def test_asking_again_whether_one_s_own_finish_went_through_says_yes(books: Books) -> None:
    books.add("a")
    (lease,) = books.claim(1)
    assert books.finish(lease) and books.finish(lease)


def test_a_result_that_comes_after_the_lease_ended_and_another_took_the_item_is_refused(books: Books) -> None:
    books.add("a")
    (late,) = books.claim(1, ttl=0.05)
    time.sleep(0.1)
    books.sweep()
    (next_one,) = books.claim(1, owner="other")
    assert not books.finish(late, {"by": "late"})
    assert books.finish(next_one, {"by": "next"})
    assert not books.finish(late, {"by": "late"})
    assert books.row("a").result == {"by": "next"}


def test_what_else_is_written_with_a_refused_result_is_rolled_back(books: Books) -> None:
    books.add("a")
    (lease,) = books.claim(1)
    books.steal("a")
    with books.database.engine.connect() as connection:
        connection.execute(text("insert into event (who, what) values ('w', 'also')"))
        assert not claims.finish(connection, lease, "done", {})
        connection.rollback()
    assert books.scalar("select count(*) from event") == 0


def test_renewing_holds_leases_and_tells_which_are_lost_and_which_are_cancelled(books: Books) -> None:
    books.add("a", "b", "c", "d")
    held = books.claim(4)
    books.steal("b")
    books.change(items.cancel, Which.named(["c"]))
    books.execute("update item set lease_until = now() - interval '1 second' where key = 'd'")
    renewed = books.renew(held)
    keys = {lease.item_id: lease.key for lease in held}
    assert {keys[one] for one in renewed.held} == {"a", "c"}
    assert {keys[one] for one in renewed.cancelled} == {"c"}


def test_a_transient_error_makes_an_item_wait_and_the_last_attempt_fails_it(books: Books) -> None:
    books.add("a")
    outcomes = []
    for _ in range(3):
        (lease,) = books.claim(1)
        outcomes.append(books.fail(lease, Transient("No answer", "a book"), limit=3))
    assert outcomes == ["ready", "ready", "failed"]
    assert (books.row("a").error_kind, books.row("a").error_text) == ("transient", "No answer: a book.")
    assert books.attempts("a") == [(1, "again"), (2, "again"), (3, "failed")]


def test_an_item_that_waits_is_claimed_only_when_its_time_has_come(books: Books) -> None:
    books.add("a")
    (lease,) = books.claim(1)
    books.fail(lease, Transient("No answer"), delay_seconds=0.2)
    assert books.claim(1) == []
    assert (books.counts().ready, books.counts().waiting) == (1, 1)
    time.sleep(0.25)
    assert [lease.attempts for lease in books.claim(1)] == [2]


def test_a_permanent_error_fails_at_once(books: Books) -> None:
    books.add("a")
    (lease,) = books.claim(1)
    assert books.fail(lease, Permanent("Too large", "a\0b")) == "failed"
    assert books.row("a").error_text == "Too large: ab."


def test_an_error_of_a_lost_lease_is_not_written(books: Books) -> None:
    books.add("a")
    (lease,) = books.claim(1)
    books.steal("a")
    assert books.fail(lease, Permanent("Too large")) == "lost"
    assert books.state("a") == "leased"


def test_what_a_drained_worker_gives_back_is_ready_at_once_and_its_attempt_does_not_count(
    books: Books,
) -> None:
    books.add("a", "b")
    held = books.claim(2)
    books.finish(held[0])
    assert books.give_back(held) == 1
    assert [(lease.key, lease.attempts) for lease in books.claim(2)] == [("b", 1)]


def test_success_after_an_error_is_an_attempt_that_can_be_looked_up(books: Books) -> None:
    books.add("a", "b")
    first = books.claim(1)[0]
    books.fail(first, Transient("No answer"), delay_seconds=0)
    for lease in books.claim(2):
        books.finish(lease)
    assert books.attempts("a") == [(1, "again"), (2, "done")]
    assert books.attempts("b") == []


def test_a_cancelled_item_that_is_worked_on_ends_cancelled_unless_it_was_finished(books: Books) -> None:
    books.add("a", "b", "c", "d")
    held = books.claim(3)
    assert books.change(items.cancel) == 4
    assert books.finish(held[0])
    assert books.fail(held[1], Transient("No answer")) == "cancelled"
    books.give_back([held[2]])
    assert [books.state(key) for key in "abcd"] == ["done", "cancelled", "cancelled", "cancelled"]


def test_nothing_is_claimed_while_the_pipeline_is_paused(books: Books) -> None:
    books.add("a")
    books.change(control.pause, why="the server is being moved", who="anna")
    assert books.claim(1) == []
    books.change(control.resume, who="anna")
    assert len(books.claim(1)) == 1


def test_held_items_wait_and_go_on(books: Books) -> None:
    books.add("a", "b")
    assert books.change(items.pause, Which.named(["a"])) == 1
    assert [lease.key for lease in books.claim(2)] == ["b"]
    assert books.change(items.resume) == 1
    assert [lease.key for lease in books.claim(2)] == ["a"]


def test_failed_items_are_retried_by_kind_and_skipped_ones_by_name(books: Books) -> None:
    books.add("a", "b", "c")
    one, two, three = books.claim(3)
    books.fail(one, Permanent("Too large"))
    books.fail(two, Transient("No answer"), limit=1)
    with books.database.engine.begin() as connection:
        claims.finish(connection, three, "skipped", {"reason": "its file is missing"})
    assert books.change(items.retry, Which(error_kind="transient")) == 1
    assert books.change(items.retry) == 1
    assert books.change(items.retry, Which.named(["c"])) == 1
    assert [lease.attempts for lease in books.claim(3)] == [1, 1, 1]


def test_counts_add_up(books: Books) -> None:
    books.add("a", "b", weight=2, size=10)
    books.add("c", size=5)
    books.finish(books.claim(1)[0])
    counted = books.counts()
    assert (counted.ready, counted.done, counted.total, counted.open) == (2, 1, 3, 2)
    assert (counted.files, counted.bytes, counted.files_left, counted.bytes_left) == (5, 25, 3, 15)


def test_why_items_were_not_done_is_told_by_reason(books: Books) -> None:
    books.add("a", "b", "c")
    for lease in books.claim(2):
        books.fail(lease, Permanent("Too large"))
    with books.database.engine.begin() as connection:
        claims.finish(connection, *books.claim(1), "skipped", {"reason": "its file is missing"})
        told = ledger.reasons(connection, "books", "calibre")
    assert [(one.state, one.text, one.items) for one in told] == [
        ("failed", "Too large.", 2),
        ("skipped", "its file is missing", 1),
    ]


@pytest.mark.parametrize("missing", ["other", ""])
def test_another_collection_s_items_are_left_alone(database: Database, books: Books, missing: str) -> None:
    books.add("a")
    with database.engine.begin() as connection:
        found = claims.claim(connection, pipeline="books", collection=missing, owner="w", limit=5, ttl=60)
        assert found == [] and ledger.queues(connection) == [("books", "calibre")]

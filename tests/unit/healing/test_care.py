"""How the healing stands with a worker: it survives the healing itself, and counts what did not help."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from medialift.errors import Permanent
from medialift.healing import care, metrics, observing, rounds
from medialift.healing.care import Care
from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.observed import Observed, Trouble, Verdict
from medialift.queueing import cleaning, workers
from medialift.queueing.database import Database
from medialift.queueing.workers import Me, Totals
from tests.queue_world import Books

RESTART = Decision(Cause.HUNG, Remedy.RESTART, "rule hung", "It waits for a lock of its own")
STUCK = Verdict(Trouble.NO_PROGRESS, "no progress", since=400.0, limit=300.0)


class Ward:
    """One worker in the ledger, and what is done to it."""

    def __init__(self, books: Books, name: str = "home@1", host: str = "home") -> None:
        self.books, self.name = books, name
        self.me = Me(name, "books", "calibre", host=host, pid=1, life="1:1")
        books.read(workers.register, self.me)
        books.read(workers.report, self.me, Totals(items=7, files=9, bytes=100, rows_read=3, moved=5))

    @property
    def seen(self) -> Observed:
        (one,) = (
            one for one in self.books.read(observing.observe, self.me.host, "books") if one.name == self.name
        )
        return one

    @property
    def care(self) -> Care:
        return self.books.read(care.read, self.name)

    def remedy(self, decision: Decision = RESTART, **given: Any) -> None:
        self.books.read(care.remedied, self.seen, decision, **given)
        self.books.read(care.applied, self.name)

    def verified(self, ok: bool) -> Care:
        return self.books.read(care.verified, self.name, ok)

    def ago(self, seconds: float) -> None:
        """So long ago it was that the last remedy was applied."""
        self.books.execute(
            "update care set remedied = now() - make_interval(secs => :seconds)", seconds=seconds
        )


@pytest.fixture
def ward(database: Database) -> Ward:
    return Ward(Books(database))


def test_one_that_nothing_was_ever_done_to_is_well(ward: Ward) -> None:
    assert ward.care == Care("home@1")
    assert not ward.care.cooling(1e9) and not ward.care.due(0) and not ward.care.recurs(STUCK, 1e9)


def test_a_remedy_is_kept_with_what_the_worker_was_like_before_it(ward: Ward) -> None:
    ward.remedy()
    kept = ward.care
    assert (kept.state, kept.remedy, kept.cause, kept.life_before) == ("verifying", "restart", "hung", "1:1")
    assert kept.progress_before == (7, 9, 100, 3, 5)
    assert kept.decision["explanation"] == RESTART.explanation
    assert (kept.host, kept.pipeline, kept.collection) == ("home", "books", "calibre")
    assert json.loads(json.dumps(kept.to_dict()))["state"] == "verifying"


def test_it_is_verified_when_its_time_has_come_and_cools_down_meanwhile(ward: Ward) -> None:
    ward.remedy()
    assert not ward.care.due(120) and ward.care.cooling(600)
    ward.ago(121)
    assert ward.care.due(120) and ward.care.cooling(600)
    ward.ago(601)
    assert not ward.care.cooling(600)


def test_the_time_counts_from_when_the_remedy_was_applied_and_not_from_when_it_was_noted(ward: Ward) -> None:
    ward.books.read(care.remedied, ward.seen, RESTART)
    ward.ago(180)
    ward.books.read(care.applied, ward.name)
    assert ward.care.since_remedy < 60


def test_each_remedy_that_did_not_help_counts_and_success_resets_the_count(ward: Ward) -> None:
    ward.remedy()
    assert (ward.verified(False).state, ward.care.attempts) == ("ill", 1)
    ward.remedy()
    assert ward.verified(False).attempts == 2
    ward.remedy()
    assert (ward.verified(True).state, ward.care.attempts) == ("well", 0)


def test_the_same_answer_twice_counts_once(ward: Ward) -> None:
    ward.remedy()
    ward.verified(False)
    assert ward.verified(False).attempts == 1


def test_one_that_was_ill_may_recover_late(ward: Ward) -> None:
    ward.remedy()
    ward.verified(False)
    assert (ward.verified(True).state, ward.care.attempts) == ("well", 0)


def test_a_recovery_that_does_not_last_counts_as_none(ward: Ward) -> None:
    """Restarted, seen to work, and hung again three minutes later: round and round without an end."""
    for attempt in (1, 2, 3):
        ward.remedy()
        ward.verified(True)
        ward.ago(580)
        assert ward.care.recurs(STUCK, 600)
        assert ward.books.read(care.recurred, ward.name).attempts == attempt
    assert ward.care.state == "ill"


def test_a_recovery_that_lasted_is_not_taken_back(ward: Ward) -> None:
    ward.remedy()
    ward.verified(True)
    ward.ago(1200)
    assert not ward.care.recurs(STUCK, 600)
    assert not ward.care.recurs(Verdict(None, "well"), 1e9)


def test_what_is_set_for_one_worker_stays_until_it_has_the_common_settings_again(ward: Ward) -> None:
    ward.remedy(settings={"MEDIALIFT_BOOKS__PARALLEL_UPLOADS": "2"}, release="/opt/medialift/releases/8")
    ward.remedy()
    kept = ward.care
    assert kept.settings == {"MEDIALIFT_BOOKS__PARALLEL_UPLOADS": "2"}
    assert kept.release == "/opt/medialift/releases/8"
    ward.books.read(care.common, ward.name)
    assert (ward.care.settings, ward.care.release) == ({}, "")


def test_a_paused_worker_stays_so_until_it_is_released_with_all_its_attempts(ward: Ward) -> None:
    ward.remedy()
    ward.verified(False)
    assert ward.books.read(care.pause, ward.name, why="three remedies failed", cause=Cause.MOUNT_DOWN).paused
    (one,) = ward.books.read(care.paused, "home")
    assert (one.worker, one.cause, one.paused_why) == ("home@1", "mount_down", "three remedies failed")
    assert ward.books.read(care.paused, "elsewhere") == []
    assert ward.books.read(care.release, ward.name) is True
    assert (ward.care.state, ward.care.attempts, ward.care.paused_why, ward.care.since_remedy) == (
        "well",
        0,
        "",
        inf,
    )
    assert ward.books.read(care.release, ward.name) is False


def test_one_that_nothing_was_done_to_can_be_paused_by_hand(ward: Ward) -> None:
    paused = ward.books.read(care.pause, ward.name, why="the disk is being replaced")
    assert (paused.host, paused.cause) == ("home", "")


def test_a_worker_that_nobody_knows_cannot_be_paused_or_released(ward: Ward) -> None:
    with pytest.raises(Permanent, match="no such worker"):
        ward.books.read(care.pause, "home@99", why="by mistake")
    assert ward.books.read(care.release, "home@99") is False


def test_a_verification_that_comes_too_late_does_not_let_a_paused_worker_run(ward: Ward) -> None:
    ward.remedy()
    ward.books.read(care.pause, ward.name, why="by hand")
    assert ward.verified(True).paused
    assert ward.books.read(care.recurred, ward.name).paused


def test_a_worker_that_is_paused_for_long_is_forgotten_by_the_queue_and_stays_paused(ward: Ward) -> None:
    ward.books.read(care.pause, ward.name, why="by hand")
    ward.books.execute(
        "update worker set state = 'gone', heartbeat = now() - interval '200 days';"
        "update care set changed = now() - interval '200 days'"
    )
    ward.books.read(cleaning.forget)
    assert ward.books.read(workers.listed) == []
    assert ward.care.paused
    assert ward.books.read(care.pause, ward.name, why="still").paused_why == "still"


def test_each_host_is_told_of_its_own_workers(ward: Ward) -> None:
    other = Ward(ward.books, "away@1", host="away")
    for one in (ward, other):
        one.remedy()
    assert [one.worker for one in ward.books.read(care.listed, "away")] == ["away@1"]
    assert [one.worker for one in ward.books.read(care.listed, pipeline="books")] == ["away@1", "home@1"]


def test_prometheus_is_told_who_is_paused_and_when_the_last_round_was(ward: Ward) -> None:
    ward.books.read(care.pause, ward.name, why="no space", cause=Cause.DISK_FULL)
    ward.books.read(rounds.note, "home", workers=8, stuck=1)
    ward.books.read(rounds.note, "home", workers=8, stuck=0, why="the database was away")
    ward.books.execute("insert into crew_size (host, pipeline, desired) values ('home', 'books', 3)")
    ward.books.execute(
        "insert into finding (host, pipeline, what, outcome) values ('home', 'books', 'remedy', 'x')"
    )
    ward.books.execute("insert into model_usage values ((now() at time zone 'utc')::date, 500, 2)")
    told = _samples(ward.books.read(metrics.exposition).decode())
    of = {"host": "home", "pipeline": "books", "worker": "home@1"}
    assert told("worker_paused", **of, cause="disk_full") == 1
    assert (told("worker_state", **of, state="paused"), told("worker_state", **of, state="well")) == (1, 0)
    assert (told("workers_seen", host="home"), told("workers_stuck", host="home")) == (8, 0)
    assert 0 <= told("round_age_seconds", host="home") < 60
    assert told("desired_workers", host="home", pipeline="books") == 3
    assert told("history_last_day", host="home", pipeline="books", what="remedy", outcome="x") == 1
    assert (told("model_tokens_today"), told("model_questions_today")) == (500, 2)
    (last,) = ward.books.read(rounds.listed)
    assert (last.host, last.stuck, last.why) == ("home", 0, "the database was away")


def test_an_empty_ledger_fails_no_figure(database: Database) -> None:
    told = _samples(Books(database).read(metrics.exposition).decode())
    assert told("model_tokens_today") == 0


def _samples(text: str) -> Any:
    found: Mapping[tuple[str, frozenset[tuple[str, str]]], float] = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return lambda name, **labels: found[(f"medialift_healing_{name}", frozenset(labels.items()))]

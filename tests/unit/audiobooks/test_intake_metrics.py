"""The figures of the intake: what is counted, once, and what an older program counted before."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from medialift.audiobooks import metrics, metrics_import, runs, schema, status
from medialift.audiobooks.runs import Run
from medialift.audiobooks.stages import PIPELINE
from medialift.errors import Permanent
from medialift.queueing import workers
from medialift.queueing.database import Database

OF = "audiobooks"
BOOK = Run("convert", "Ann/Tales", "done", name="Tales", how="encode", seconds=60, played=3600, bytes=10_000)


def keep(database: Database, *given: Run) -> None:
    with database.engine.begin() as connection:
        for run in given:
            runs.record(connection, OF, run)


def figures(database: Database) -> metrics.Figures:
    with database.engine.connect() as connection:
        return metrics.read(connection, OF)


def register(database: Database) -> None:
    with database.engine.begin() as connection:
        workers.register(connection, workers.Me("here", PIPELINE, OF))


def test_the_revision_makes_the_tables_that_the_code_reads(database: Database) -> None:
    ours = {table.name for table in (schema.audiobook_run, schema.audiobook_todo, schema.audiobook_import)}
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_object": lambda _thing, name, kind, *_: kind != "table" or name in ours,
            },
        )
        differing = [one for one in compare_metadata(context, schema.metadata) if "audiobook" in str(one)]
    assert differing == []


def test_nothing_is_counted_where_nothing_was_done(database: Database) -> None:
    found = figures(database)
    assert (found.lifetime, found.this_run, found.tagging) == (
        metrics.Totals(),
        metrics.Totals(),
        metrics.Tagged(),
    )
    assert found.lifetime.success_rate is None and found.lifetime.average is None


def test_totals_are_of_what_ended_and_times_of_what_succeeded(database: Database) -> None:
    keep(
        database,
        BOOK,
        replace(BOOK, how="splice", seconds=20),
        replace(BOOK, outcome="again", seconds=500, error_text="no room"),
        replace(BOOK, outcome="failed", seconds=1),
    )
    one = figures(database).lifetime
    assert (one.converted, one.failed, one.retries, one.encoded, one.spliced) == (2, 1, 1, 1, 1)
    assert (one.fastest, one.slowest, one.average, one.seconds) == (20, 60, 40, 80)
    assert one.success_rate == pytest.approx(2 / 3) and one.bytes == 20_000 and one.played == 7200


def test_an_attempt_is_counted_once_however_often_its_end_is_written(database: Database) -> None:
    for _ in range(2):
        keep(database, replace(BOOK, token=41))
    assert figures(database).lifetime.converted == 1


def test_this_run_is_what_was_done_since_the_worker_began(database: Database) -> None:
    keep(database, replace(BOOK, at=datetime.now(UTC) - timedelta(days=1)))
    register(database)
    assert figures(database).this_run.converted == 0
    keep(database, BOOK)
    found = figures(database)
    assert (found.this_run.converted, found.lifetime.converted) == (1, 2)


def test_tagging_tells_how_many_needed_nobody(database: Database) -> None:
    tag = Run("tag", "Tales", "done", seconds=2)
    keep(
        database,
        tag,
        replace(tag, attempt=3),
        replace(tag, outcome="again"),
        replace(tag, outcome="person"),
        replace(tag, outcome="failed"),
    )
    found = figures(database).tagging
    assert (found.tagged, found.first_try, found.person, found.failed, found.retries) == (2, 1, 1, 1, 1)
    assert (found.accuracy, found.share_of_person) == (0.5, 0.25)


def test_the_status_shows_the_last_ten_conversions_and_the_last_five_failures(database: Database) -> None:
    for number in range(12):
        keep(database, replace(BOOK, key=f"book {number}", name=f"book {number}"))
    for number in range(7):
        keep(database, Run("tag", f"book {number}", "failed", error_text="nobody knows it"))
    with database.engine.connect() as connection:
        told = status.status(connection, OF).to_dict()
    assert [one["key"] for one in told["recent"]] == [f"book {number}" for number in range(11, 1, -1)]
    assert [one["key"] for one in told["failures"]] == [f"book {number}" for number in range(6, 1, -1)]
    assert told["finished"] is True
    json.dumps(told)


def test_what_waits_is_told_with_whom_it_waits_for(database: Database) -> None:
    rows = {
        "convert/a": ("leased", None, None, "now()"),
        "convert/b": ("ready", None, "no room", "now() + interval '1 hour'"),
        "convert/c": ("failed", "refused", "It could be two things", "now()"),
        "tag/d": ("skipped", None, None, "now()"),
        "deliver/e": ("done", None, None, "now()"),
    }
    with database.engine.begin() as connection:
        for key, (state, kind, why, moment) in rows.items():
            connection.execute(
                text(
                    "insert into item (pipeline, collection, key, state, error_kind, error_text, not_before,"
                    " result) values ('audiobooks', :of, :key, :state, :kind, :why, "
                    f"{moment}, cast(:result as jsonb))"
                ),
                {
                    "of": OF,
                    "key": key,
                    "state": state,
                    "kind": kind,
                    "why": why,
                    "result": json.dumps({"waits_for": "person", "reason": "Which one is it?"})
                    if state == "skipped"
                    else None,
                },
            )
        found = status.status(connection, OF)
    assert [(one.name, one.state) for one in found.working] == [("a", "working")]
    assert [(one.name, one.state, one.why) for one in found.queue] == [("b", "again", "no room")]
    assert [(one.name, one.state, one.why) for one in found.for_person] == [
        ("c", "refused", "It could be two things"),
        ("d", "person", "Which one is it?"),
    ]
    assert found.figures.backlog == {"convert": 2, "tag": 0, "deliver": 0} and not found.finished


def old_file(folder: Path, **more: Any) -> Path:
    conversion = {
        "book_name": "Old Book",
        "status": "success",
        "duration_seconds": 300,
        "timestamp": 1760000000.5,
        "file_size_bytes": 5000,
        "error_message": "",
    }
    told = {
        "lifetime_attempted": 130,
        "lifetime_successful": 120,
        "lifetime_failed": 10,
        "lifetime_duration_seconds": 40_000,
        "lifetime_bytes_processed": 900_000,
        "fastest_conversion_seconds": 12,
        "slowest_conversion_seconds": 4000,
        "first_run_timestamp": 1750000000.0,
        "last_updated_timestamp": 1760000001.0,
        "history": [conversion, {**conversion, "status": "failed", "error_message": "m4b-tool broke"}],
        **more,
    }
    path = folder / "metrics.json"
    path.write_text(json.dumps(told))
    return path


def take_over(database: Database, path: Path) -> bool:
    with database.engine.begin() as connection:
        return metrics_import.write(connection, OF, metrics_import.read(path))


def test_an_old_file_is_taken_over_once_and_its_totals_stay_what_they_were(
    database: Database, tmp_path: Path
) -> None:
    path = old_file(tmp_path)
    assert take_over(database, path)
    assert not take_over(database, path)
    one = figures(database).lifetime
    assert (one.converted, one.failed, one.bytes) == (120, 10, 900_000)
    assert (one.fastest, one.slowest) == (12, 4000)
    with database.engine.connect() as connection:
        latest = runs.latest(connection, OF, outcomes=("done", "failed"))
    assert {(run.key, run.outcome, run.imported) for run in latest} == {
        ("Old Book", "done", True),
        ("Old Book", "failed", True),
    }


def test_what_is_done_here_is_added_to_what_was_taken_over(database: Database, tmp_path: Path) -> None:
    take_over(database, old_file(tmp_path))
    keep(database, replace(BOOK, seconds=5))
    one = figures(database).lifetime
    assert (one.converted, one.fastest, one.slowest) == (121, 5, 4000)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"lifetime_successful": -1, "lifetime_failed": 0}'])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(content)
    with pytest.raises(Permanent, match="holds no figures"):
        metrics_import.read(path)
    with pytest.raises(Permanent, match="cannot be read"):
        metrics_import.read(tmp_path / "none.json")


def test_prometheus_reads_the_same_figures(database: Database) -> None:
    keep(database, BOOK, Run("tag", "Tales", "person"))
    with database.engine.connect() as connection:
        told = metrics.exposition(connection, OF).decode()
    assert 'medialift_audiobooks_converted_total{collection="audiobooks"} 1.0' in told
    assert 'medialift_audiobooks_tagging_person_ratio{collection="audiobooks"} 1.0' in told
    assert 'medialift_audiobooks_backlog{collection="audiobooks",stage="convert"} 0.0' in told

"""Bursts in the ledger: told of by two journals, again and again, in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from medialift.errors import Permanent
from medialift.queueing import bursts
from medialift.queueing.bursts import Known, Line
from medialift.queueing.database import Database

BEGAN = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def line(number: int, phase: str, event: str = "progress", *, at: float | None = None, **data: Any) -> Line:
    return Line(number, BEGAN + timedelta(seconds=number if at is None else at), phase, event, data=data)


@pytest.fixture
def tell(database: Database):
    def told(*lines: Line, burst: str = "one", journal: str = "controller", **known: Any) -> int:
        with database.engine.begin() as connection:
            return bursts.tell(connection, burst, journal, lines, Known(**known))

    return told


@pytest.fixture
def read(database: Database):
    def found(burst: str = "one") -> bursts.Burst:
        with database.engine.begin() as connection:
            one = bursts.read(connection, burst)
        assert one is not None
        return one

    return found


def all_lines(database: Database, **page: Any) -> list[Line]:
    with database.engine.begin() as connection:
        return bursts.lines(connection, "one", **page)


def test_a_burst_is_at_the_phase_of_its_latest_line_and_began_with_its_first(tell, read):
    tell(
        line(1, "provision", "start"), line(2, "provision", text="it boots"), library="films", zone="fr-par-1"
    )
    found = read()
    assert (found.phase, found.progress, found.outcome) == ("provision", "it boots", "")
    assert (found.library, found.zone, found.started) == ("films", "fr-par-1", BEGAN + timedelta(seconds=1))
    tell(line(3, "scan", "start"))
    assert (read().phase, read().progress, read().library) == ("scan", "", "films")


def test_what_is_told_again_is_not_written_again(tell, database):
    lines = [line(number, "scan") for number in range(1, 6)]
    assert tell(*lines[:3]) == 3
    assert tell(*lines) == 2
    assert tell(*lines) == 0
    assert [one.number for one in all_lines(database)] == [1, 2, 3, 4, 5]


def test_lines_that_come_late_do_not_turn_the_burst_back(tell, read):
    tell(line(5, "export", text="half"))
    tell(line(1, "provision", "start"))
    assert (read().phase, read().progress) == ("export", "half")
    assert read().started == BEGAN + timedelta(seconds=1)


def test_two_journals_count_each_for_itself_and_are_read_in_the_order_of_time(tell, database):
    tell(line(1, "scan", at=1), line(2, "export", at=3))
    tell(line(1, "import", at=2), line(2, "import", at=4), journal="home")
    assert [(one.journal, one.number) for one in all_lines(database)] == [
        ("controller", 1),
        ("home", 1),
        ("controller", 2),
        ("home", 2),
    ]
    rest = all_lines(database, after=(BEGAN + timedelta(seconds=2), "home", 1), limit=1)
    assert [(one.journal, one.number) for one in rest] == [("controller", 2)]


def test_a_known_line_with_other_words_is_refused_and_nothing_of_its_post_is_kept(tell, database):
    tell(line(1, "scan", "start"))
    with pytest.raises(Permanent, match="said something else"):
        tell(line(1, "export", "start"), line(2, "export"))
    assert len(all_lines(database)) == 1


def test_a_burst_is_over_when_that_is_told_and_what_is_not_told_stays(tell, read):
    tell(line(1, "scan"), line(9, "destroy"), budget_eur=2.0, mode="delta")
    tell(outcome="ok", cost_eur=0.4, report={"title": "x"}, sections=[{"name": "Films"}])
    found = read()
    assert (found.outcome, found.ended) == ("ok", BEGAN + timedelta(seconds=9))
    assert (found.cost_eur, found.budget_eur, found.mode) == (0.4, 2.0, "delta")
    assert found.report == {"title": "x"} and found.sections == [{"name": "Films"}]


def test_secrets_and_signs_that_no_database_holds_are_not_kept(tell, database):
    tell(line(1, "claim", text="token=abcdef123\0", deep={"x": ["password: hunter2", "\ud800"]}))
    (found,) = all_lines(database)
    assert "abcdef123" not in str(found.data) and "hunter2" not in str(found.data)
    assert "\0" not in str(found.data)


def test_bursts_are_listed_from_the_newest_page_by_page_without_their_reports(tell, database):
    for number in range(5):
        tell(line(1, "scan", at=number // 2), burst=f"b{number}", report={"n": number})
    with database.engine.begin() as connection:
        seen: list[str] = []
        before = None
        while page := bursts.listed(connection, before=before, limit=2):
            seen += [one.id for one in page]
            before = (page[-1].started, page[-1].id)
            assert all(one.report is None and one.has_report for one in page)
        assert seen == ["b4", "b3", "b2", "b1", "b0"]
        assert bursts.read(connection, "nobody told of it") is None


def test_more_lines_than_a_burst_can_have_are_refused(tell, monkeypatch):
    monkeypatch.setattr(bursts, "MOST_LINES", 3)
    tell(*(line(number, "scan") for number in (1, 2, 3)))
    with pytest.raises(Permanent, match="too long"):
        tell(line(4, "scan"))

"""A journal can be read while its run goes on, and after it died."""

from __future__ import annotations

from pathlib import Path

import pytest

from medialift.errors import Permanent, Transient
from medialift.foundation import journal as journals
from medialift.foundation.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_phases_are_told_in_order_with_their_outcome_and_last_word(path: Path) -> None:
    journal = Journal(path)
    with journal.phase("ready"):
        pass
    with journal.phase("scan Movies") as phase:
        phase.progress("3 of 9", items=3)
        phase.end("9 items", items=9)
    with journal.phase("music") as phase:
        phase.skip("no music section is chosen")
    told = [(p.name, p.outcome, p.data.get("text")) for p in journals.phases(path)]
    assert told == [
        ("ready", "ok", None),
        ("scan Movies", "ok", "9 items"),
        ("music", "skipped", "no music section is chosen"),
    ]


def test_a_phase_left_by_an_error_is_failed_and_keeps_the_error(path: Path) -> None:
    with pytest.raises(Transient), Journal(path).phase("scan Movies"):
        raise Transient("The counter stands still", "Movies", "Look at the mount")
    (phase,) = journals.phases(path)
    assert phase.outcome == "failed"
    assert phase.data["error"]["hint"] == "Look at the mount"


def test_a_phase_without_an_end_is_running(path: Path) -> None:
    journal = Journal(path)
    journal.start("scan Movies")
    journal.add("scan Movies", "progress", data={"text": "1 of 9"})
    (phase,) = journals.phases(path)
    assert (phase.outcome, phase.data["text"]) == ("running", "1 of 9")


def test_a_line_being_written_is_left_out_and_a_torn_one_is_cut_off_by_the_next_run(path: Path) -> None:
    Journal(path).start("ready")
    with path.open("a") as file:
        file.write('{"at": 1, "pha')
    assert [entry.phase for entry in journals.entries(path)] == ["ready"]
    Journal(path).end("ready", "ok")
    assert [entry.event for entry in journals.entries(path)] == ["start", "end"]


def test_a_damaged_line_is_an_error_that_names_it(path: Path) -> None:
    path.write_text('{"at": 1, "phase": "ready", "event": "start"}\nnonsense\n')
    with pytest.raises(Permanent, match="line 2"):
        journals.entries(path)


def test_secrets_never_reach_the_file(path: Path) -> None:
    journal = Journal(path)
    journal.add("claim", "note", data={"text": "X-Plex-Token=abcdefghijk", "more": ["claim-1234567890"]})
    assert "abcdefghijk" not in path.read_text() and "1234567890" not in path.read_text()
    assert journals.entries(path)[0].phase == "claim"


def test_whoever_notices_a_failure_need_not_know_where_it_happened(path: Path) -> None:
    journals.write(path, journals.steps(path, "preflight", "started"))
    journals.write(path, journals.steps(path, "provision", "started"))
    journals.write(path, journals.steps(path, None, "failed", text="out of stock"))
    journals.write(path, journals.steps(path, None, "failed", text="nothing goes on any more"))
    journals.write(path, journals.steps(path, "destroy", "started"))
    told = [(phase.name, phase.outcome, phase.data.get("text")) for phase in journals.phases(path)]
    assert told == [
        ("preflight", "ok", None),
        ("provision", "failed", "out of stock"),
        ("destroy", "running", None),
    ]


def test_a_journal_is_over_when_its_last_phase_ended_well_and_not_when_it_was_skipped(path: Path) -> None:
    assert not journals.is_over(path, "destroy")
    journal = Journal(path)
    journal.start("preflight")
    journal.start("destroy")
    journal.end("destroy", "skipped")
    assert not journals.is_over(path, "destroy")
    journal.start("destroy")
    journal.end("destroy", "ok")
    assert journals.is_over(path, "destroy")


def test_a_journal_that_is_over_is_kept_beside_the_new_one(path: Path) -> None:
    Journal(path).start("preflight")
    aside = journals.set_aside(path)
    assert [entry.phase for entry in journals.entries(aside)] == ["preflight"]
    assert aside.parent == path.parent and aside.name.startswith("journal-2")
    assert journals.entries(path) == []

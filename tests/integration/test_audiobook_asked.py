"""What a person asks of a book through the ledger is done by the intake, as if it were there."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from medialift.audiobooks import asked, operations, retrying
from medialift.errors import Permanent
from medialift.queueing import control
from tests.intake_world import IntakeWorld


def ask(intake: IntakeWorld, what: Any, name: str, *told: Any, **more: Any) -> Any:
    with intake.database.engine.begin() as connection:
        return what(connection, intake.settings().audiobooks, name, *told, **more)


def taken(intake: IntakeWorld, what: Any, key: str) -> bool:
    with intake.database.engine.begin() as connection:
        return bool(what(connection, intake.item(key).id))


def test_what_is_said_of_a_book_is_written_into_it_and_brought_to_its_library(intake: IntakeWorld) -> None:
    intake.drop("Tales", parts=1, codec="m4b")
    intake.once()
    ask(intake, asked.tag, "Tales", {"title": "Other Tales"})
    ask(intake, asked.tag, "Tales", {"narrators": "Cy Voice; Di Voice"})
    assert intake.item("tag/Tales").payload == {
        "override": {"title": "Other Tales", "narrators": ["Cy Voice", "Di Voice"]}
    }
    intake.once()
    found = intake.finished("Tales")["Tales"]
    assert dict(found.override) == {"title": "Other Tales", "narrators": ["Cy Voice", "Di Voice"]}
    assert found.tagging.metadata is not None and found.tagging.metadata.title == "Other Tales"
    assert intake.item("tag/Tales").payload == {}
    assert "Ann Author/Other Tales/Other Tales.m4b" in intake.in_library()

    ask(intake, asked.tag, "Tales", {"title": None})
    intake.once()
    assert dict(intake.finished("Tales")["Tales"].override) == {"narrators": ["Cy Voice", "Di Voice"]}


def test_what_is_said_wrongly_is_refused_and_changes_nothing(intake: IntakeWorld) -> None:
    with pytest.raises(Permanent, match="there is no such field"):
        ask(intake, asked.tag, "Tales", {"titel": "x"})
    assert intake.states() == {}


def test_a_held_book_that_is_approved_goes_to_its_library_and_says_by_whom(intake: IntakeWorld) -> None:
    intake.drop("Tales", parts=1, codec="m4b")
    intake.once(hold=True)
    assert intake.item("deliver/Tales").result["waits_for"] == "person" and intake.in_library() == []
    with pytest.raises(Permanent, match="no such destination"):
        ask(intake, asked.approve, "Tales", by="ann", at=0.0, destinations=["nowhere"])
    assert ask(intake, asked.approve, "Tales", by="ann (session, dashboard)", at=1_800_000_000.0)
    intake.once(hold=True)
    found = intake.finished("Tales")["Tales"]
    assert (found.approval.approved, found.approval.by) == (True, "ann (session, dashboard)")
    assert found.approval.at == "2027-01-15T08:00:00Z"
    assert intake.in_library() == ["Ann Author/Tales/Tales.m4b"]
    assert not ask(intake, asked.approve, "Tales", by="ann", at=2.0)


def test_a_book_that_is_to_be_taken_as_it_is_is_not_encoded_and_what_would_have_to_be_is_refused(
    intake: IntakeWorld,
) -> None:
    intake.drop("Right", parts=1, codec="m4b")
    intake.drop("Wrong", parts=1, codec="mp3")
    # Seen, and converted only by the second run.
    with intake.database.engine.begin() as connection:
        control.pause(connection, "audiobooks", "audiobooks")
    with intake.running(convert="always"):
        intake.until(lambda: len(intake.states()) == 2)
    for key in ("convert/Right", "convert/Wrong"):
        assert taken(intake, asked.without_conversion, key)
    with intake.database.engine.begin() as connection:
        control.resume(connection, "audiobooks", "audiobooks")
    intake.once(convert="always")
    assert intake.finished("Right")["Right"].conversion.kind == "passed_through"
    refused = intake.item("convert/Wrong")
    assert refused.state == "failed" and "without conversion: its parts are mp3" in refused.error_text

    assert intake.tree("inbox") == {}
    assert taken(intake, asked.again, "convert/Wrong")
    intake.once(convert="always")
    assert intake.finished("Right", "Wrong")["Wrong"].conversion.kind == "converted"


def test_a_book_made_again_from_its_archived_sources_takes_the_place_of_the_first_everywhere(
    intake: IntakeWorld,
) -> None:
    intake.drop("Tales", parts=2)
    intake.once()
    first = intake.finished("Tales")["Tales"]
    done = operations.reprocess(intake.settings(), "Tales")
    assert (done["count"], done["moved_back"]) == (1, ["Tales"])
    intake.once(bitrate=32)
    second = intake.finished("Tales")["Tales"]
    assert (first.conversion.sha256 != second.conversion.sha256) and second.conversion.bitrate == 32_000
    assert intake.in_library() == ["Ann Author/Tales/Tales.m4b"]
    held = intake.path("library", "Ann Author", "Tales", "Tales.m4b").read_bytes()
    assert held == intake.path("converted", "Tales", "Tales.m4b").read_bytes()
    assert sorted(intake.tree("archive")) == [
        "Tales/01 Chapter 1.mp3",
        "Tales/02 Chapter 2.mp3",
        "Tales/metadata.yml",
    ]


def test_a_book_is_found_by_its_path_in_the_inbox_or_by_its_folder_in_converted(intake: IntakeWorld) -> None:
    settings = intake.settings().audiobooks
    with intake.database.engine.begin() as connection:
        for key, name in (("In/Tales", "Tales"), ("Tales", "Tales (2)")):
            connection.execute(
                text(
                    "insert into item (pipeline, collection, key, state, result) values"
                    " ('audiobooks', 'audiobooks', :key, 'done',"
                    "  jsonb_build_object('name', cast(:name as text)))"
                ),
                {"key": f"convert/{key}", "name": name},
            )
    for told, key in {"In/Tales": "In/Tales", "Tales (2)": "Tales", "convert/In/Tales": "In/Tales"}.items():
        assert retrying.conversion_of(settings, intake.database, told) == intake.item(f"convert/{key}").id
    # A path in the inbox goes before a name in converted.
    assert retrying.conversion_of(settings, intake.database, "Tales") == intake.item("convert/Tales").id
    with pytest.raises(Permanent, match="not known"):
        operations.as_it_is(intake.settings(), "Nothing")
    with pytest.raises(Permanent, match="converted already"):
        operations.as_it_is(intake.settings(), "In/Tales")


def test_sources_that_are_gone_cannot_be_made_a_book_again(intake: IntakeWorld) -> None:
    intake.drop("Tales", parts=1, codec="m4b")
    intake.once(on_complete="delete")
    with pytest.raises(Permanent, match="were not kept"):
        taken(intake, asked.from_scratch, "convert/Tales")
    with pytest.raises(Permanent, match="not in the inbox"):
        operations.reprocess(intake.settings(), "Tales")
    assert intake.states()["convert/Tales"] == "done"


def test_a_book_that_is_brought_back_by_the_ledger_is_the_same_as_by_a_command(intake: IntakeWorld) -> None:
    intake.drop("Tales", parts=2)
    intake.once()
    before = intake.tree("archive")
    assert taken(intake, asked.from_scratch, "convert/Tales")
    # The intake looks into its inbox, where the book is not yet, and does not give it up for that.
    intake.once()
    assert intake.states() == {f"{stage}/Tales": "done" for stage in ("convert", "tag", "deliver")}
    assert intake.tree("archive") == before and intake.tree("inbox") == {}
    assert intake.in_library() == ["Ann Author/Tales/Tales.m4b"]
    assert "bring_back" not in intake.item("convert/Tales").payload


def test_a_service_that_is_killed_while_it_brings_sources_back_goes_on_where_it_was(
    intake: IntakeWorld,
) -> None:
    intake.drop("Tales", parts=2)
    intake.once()
    archived = intake.tree("archive")
    taken(intake, asked.from_scratch, "convert/Tales")
    intake.killed("convert", "bringing back")
    assert intake.tree("archive") == archived
    intake.killed("convert", "probing")
    assert intake.tree("inbox") == archived
    intake.once()
    intake.finished("Tales")
    assert intake.tree("archive") == archived and intake.tree("inbox") == {}
    assert intake.in_library() == ["Ann Author/Tales/Tales.m4b"] and intake.left_over() == []


def test_sources_that_cannot_be_brought_back_fail_the_book_and_stay_where_they_are(
    intake: IntakeWorld,
) -> None:
    intake.drop("Tales", parts=1, codec="m4b")
    intake.once()
    with intake.database.engine.begin() as connection:
        connection.execute(
            text(
                "update item set payload = payload || jsonb_build_object('kept', cast(:secret as text))"
                " where key = 'convert/Tales'"
            ),
            {"secret": str(intake.path("library"))},
        )
    library = intake.tree("library")
    assert taken(intake, asked.from_scratch, "convert/Tales")
    intake.once()
    failed = intake.item("convert/Tales")
    assert failed.state == "failed" and "no book in this folder" in failed.error_text
    assert intake.tree("library") == library and intake.tree("failed") == {}

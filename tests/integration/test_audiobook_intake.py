"""Books that are dropped into the inbox come out of the library; what fails says why and stays whole."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import httpx
import pytest

from medialift.audiobooks import operations
from medialift.errors import MedialiftError, Permanent
from sandbox.audiobooks import recordings
from sandbox.ports import free_port
from tests.intake_world import SECONDS, IntakeWorld


def test_ten_books_at_once_all_come_to_the_library_and_another_run_changes_nothing(
    intake: IntakeWorld,
) -> None:
    codecs = ("mp3", "m4a", "flac", "opus", "m4b", "m4b", "m4b", "ogg", "m4a", "wav")
    names = [f"Book {number}" for number in range(10)]
    for name, codec in zip(names, codecs, strict=True):
        intake.drop(name, codec=codec, parts=2 if name in ("Book 0", "Book 1") else 1)
    dropped = intake.tree("inbox")
    done = intake.once(parallel_books=4)
    assert (done["found"], done["added"], done["finished"]) == (10, 10, True)
    assert intake.states() == {f"{stage}/{name}": "done" for stage in STAGES for name in names}
    for name, found in intake.finished(*names).items():
        assert (found.name, found.state, found.sources.key) == (name, "tagged", name)
        assert found.deliveries["shelf"].state == "delivered"
        parts = len(found.sources.files)
        assert len(found.conversion.chapters) == parts
        assert found.conversion.seconds == pytest.approx(parts * SECONDS, abs=0.05)
        assert found.sources.kept == str(intake.path("archive", name))
    assert intake.in_library() == [f"Ann Author/{name}/{name}.m4b" for name in names]
    assert intake.tree("archive") == intake.tree("backup") == dropped and intake.tree("inbox") == {}
    assert intake.left_over() == [] and intake.rows("select * from attempt") == []
    lifetime = done["status"]["lifetime"]
    assert (lifetime["converted"], lifetime["passed_through"], lifetime["failed"]) == (10, 3, 0)
    assert len(done["status"]["recent"]) == 10

    before = (intake.tree("converted"), intake.tree("library"), intake.states())
    again = intake.once()
    assert (
        not again["changed"] and (intake.tree("converted"), intake.tree("library"), intake.states()) == before
    )


STAGES = ("convert", "tag", "deliver")


def test_the_service_takes_what_is_dropped_and_answers_while_it_works(intake: IntakeWorld) -> None:
    port = free_port()
    with intake.running(health_port=port, wait=0.2):
        address = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            try:
                return httpx.get(f"{address}/health/live", trust_env=False).status_code == 200
            except httpx.HTTPError:
                return False

        intake.until(answers)
        intake.drop("Tales", codec="m4a")
        intake.until(lambda: intake.states().get("deliver/Tales") == "done")
        intake.until(lambda: intake.tree("inbox") == {})
        health = httpx.get(f"{address}/health", trust_env=False, timeout=20)
        told = health.json()
        assert health.status_code == 200, told
        assert told["ready"] and {check["name"] for check in told["checks"]} >= {
            "folder inbox",
            "space work",
            "ffmpeg",
            "database",
            "inbox",
            "after",
            "supervisor",
        }
        figures = httpx.get(f"{address}/metrics", trust_env=False).text
        assert 'medialift_audiobooks_converted_total{collection="audiobooks"} 1.0' in figures
        assert "medialift_queue_worker_state" in figures
        shutil.rmtree(intake.path("library"))
        intake.path("failed").rmdir()
        health = httpx.get(f"{address}/health", trust_env=False, timeout=20)
        assert health.status_code == 503
        wrong = [check["name"] for check in health.json()["checks"] if not check["ok"]]
        assert wrong == ["folder failed"]
    assert intake.ended == 0


def test_a_broken_book_is_tried_once_moved_aside_with_the_reason_and_comes_back_by_retry(
    intake: IntakeWorld,
) -> None:
    folder = intake.drop("Tales", codec="m4a")
    half = folder / "02 Chapter 2.m4a"
    half.write_bytes(half.read_bytes()[:-2000])
    dropped = intake.tree("inbox")
    done = intake.once()
    assert intake.states() == {"convert/Tales": "failed"} and done["finished"]
    (aside,) = intake.path("failed").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d{6} Tales", aside.name)
    said = (aside / "FAILED_INFO.txt").read_text()
    assert "broken one" in said and "02 Chapter 2.m4a" in said and "retry 'Tales'" in said
    kept = {f"Tales/{name}": text for name, text in intake.tree(f"failed/{aside.name}/Tales").items()}
    assert kept == dropped and intake.tree("inbox") == {} and intake.finished() == {}
    (failure,) = done["status"]["failures"]
    assert (failure["key"], failure["outcome"], failure["error_kind"]) == ("Tales", "failed", "permanent")
    (waiting,) = done["status"]["for_person"]
    assert waiting["put_aside"] == str(aside)

    recordings.speak("Whole again.", aside / "Tales" / "02 Chapter 2.m4a", codec="m4a", seconds=SECONDS)
    told = operations.retry(intake.settings(), ["Tales"])
    assert (told["count"], told["moved_back"]) == (1, ["Tales"])
    intake.once()
    assert set(intake.states().values()) == {"done"} and list(intake.path("failed").iterdir()) == []
    assert intake.in_library() == ["Ann Author/Tales/Tales.m4b"]


def test_an_error_that_may_pass_is_tried_again_so_often_and_then_given_up(intake: IntakeWorld) -> None:
    intake.drop("Tales", parts=1)
    outcomes = []
    for _ in range(3):
        # Nothing can be converted in so short a time.
        intake.once(conversion_timeout=0.001, max_retries=2, retry_base=60)
        outcomes.append(intake.item("convert/Tales").state)
        if outcomes[-1] == "ready":
            (wait,) = intake.rows(
                "select extract(epoch from not_before - now())::float8 as seconds from item"
            )
            assert 50 * 2 ** (len(outcomes) - 1) < wait.seconds <= 60 * 2 ** (len(outcomes) - 1)
            intake.hurry()
    assert outcomes == ["ready", "ready", "failed"]
    assert [run.outcome for run in intake.rows("select outcome from audiobook_run order by id")] == [
        "again",
        "again",
        "failed",
    ]
    assert len(list(intake.path("failed").iterdir())) == 1 and intake.left_over() == []


def test_a_book_that_waits_for_a_person_is_tagged_by_what_he_says_and_goes_on(intake: IntakeWorld) -> None:
    intake.drop("Tales", codec="m4a", described=False)
    done = intake.once(tagging={"providers": ["metadata_yml"], "cache": str(intake.path("cache"))})
    assert intake.states() == {"convert/Tales": "done", "tag/Tales": "skipped"}
    (waiting,) = done["status"]["for_person"]
    assert (waiting["stage"], waiting["name"], waiting["state"]) == ("tag", "Tales", "person")
    assert waiting["why"] and done["status"]["tagging"]["share_of_person"] == 1.0
    assert intake.in_library() == []

    said = {"title": "Tales", "authors": ["Ann Author"], "narrators": ["Ben Reader"], "asin": "B000000001"}
    dry = operations.tag(intake.settings(), "Tales", override=said, dry_run=True)
    assert dry["changed"] and dry["changes"] and intake.states()["tag/Tales"] == "skipped"
    told = operations.tag(intake.settings(), "Tales", override=said)
    assert (told["state"], told["needs_person"], told["next_action"]) == ("tagged", [], "deliver")
    assert intake.states() == {"convert/Tales": "done", "tag/Tales": "done", "deliver/Tales": "ready"}
    intake.once()
    assert intake.in_library() == ["Ann Author/Tales/Tales.m4b"]


def test_a_held_book_goes_to_its_library_when_it_is_approved(intake: IntakeWorld) -> None:
    intake.drop("Tales", codec="m4a", parts=1)
    done = intake.once(hold=True)
    assert intake.states()["deliver/Tales"] == "skipped" and intake.in_library() == []
    (waiting,) = done["status"]["for_person"]
    assert "approved" in waiting["why"]
    approved = operations.approve(intake.settings(hold=True), "Tales", by="Ann")
    assert approved["changed"] and approved["destinations"] == ["shelf"]
    intake.once(hold=True)
    assert intake.states()["deliver/Tales"] == "done"
    assert intake.in_library() == ["Ann Author/Tales/Tales.m4b"]
    assert not operations.approve(intake.settings(hold=True), "Tales", by="Ann")["changed"]


def test_a_book_of_the_same_name_gets_a_number_unless_it_is_to_replace_the_first(
    intake: IntakeWorld,
) -> None:
    plain = {"destinations": {}, "tagging": {"mode": "off"}, "backup": False}
    intake.drop("Tales", codec="m4a", parts=1)
    intake.once(**plain)
    intake.drop("Tales", codec="m4a", parts=2)
    intake.once(**plain)
    found = intake.finished("Tales", "Tales (2)")
    assert [len(one.conversion.chapters) for one in found.values()] == [1, 2]
    intake.drop("Tales", codec="m4a", parts=3)
    intake.once(**plain, overwrite=True)
    found = intake.finished("Tales", "Tales (2)")
    assert [len(one.conversion.chapters) for one in found.values()] == [3, 2]
    assert len(list(intake.path("archive").iterdir())) == 3


def test_a_folder_that_could_be_two_things_is_refused_with_its_tree_and_stays_where_it_is(
    intake: IntakeWorld,
) -> None:
    for place in ("Odd/01.mp3", "Odd/deeper/01.mp3", "Odd/other/deeper/02.mp3"):
        recordings.speak("Something.", intake.path("inbox", place), seconds=1)
    dropped = intake.tree("inbox")
    done = intake.once()
    (refused,) = done["refused"]
    assert refused["key"] == "Odd" and "deeper" in refused["tree"] and refused["hint"]
    assert intake.states() == {"convert/Odd": "failed"} and intake.tree("inbox") == dropped
    assert [one["state"] for one in done["status"]["for_person"]] == ["refused"]
    with pytest.raises(Permanent, match="cannot be taken as it is"):
        operations.retry(intake.settings(), ["Odd"])


def test_a_book_is_converted_by_hand_without_a_ledger_and_its_sources_stay(
    intake: IntakeWorld, tmp_path: Path
) -> None:
    intake.drop("Tales", codec="m4a")
    elsewhere = tmp_path / "elsewhere"
    shutil.move(intake.path("inbox", "Tales"), elsewhere)
    before = sorted(path.name for path in elsewhere.iterdir())
    away = IntakeWorld(intake.root, "postgresql://nobody@127.0.0.1:9/nothing", intake.hands)
    told: list[tuple[str, str, float]] = []
    done = operations.convert(away.settings(), elsewhere, tell=lambda *what: told.append(what))
    (book,) = done["books"]
    assert (book["name"], book["chapters"], done["failed"], done["refused"]) == ("elsewhere", 2, [], [])
    assert book["seconds"] == pytest.approx(2 * SECONDS, abs=0.05)
    assert sorted(path.name for path in elsewhere.iterdir()) == before
    assert [words for _, words, _ in told][:2] == ["locking", "backing up"] and intake.left_over() == []
    json.dumps(done)


def test_settings_that_cannot_work_are_refused_before_anything_is_done(intake: IntakeWorld) -> None:
    intake.drop("Tales", codec="m4a", parts=1)
    with pytest.raises(MedialiftError) as refused:
        intake.once(converted=str(intake.path("nowhere")), archive=str(intake.path("nowhere too")))
    assert "audiobooks.converted" in str(refused.value) and "audiobooks.archive" in str(refused.value)
    assert intake.states() == {}

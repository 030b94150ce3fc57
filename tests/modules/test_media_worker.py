"""The module media_worker, as Ansible runs it: real workers and a real ledger; processes stand for units."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from medialift.healing import standing
from medialift.healing.history import What
from medialift.queueing.database import Database
from tests.healing_hands import HOST, Host, host

ROOT = Path(__file__).parents[2]
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def here(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    with host(tmp_path, database) as made:
        # Where systemd would be asked: the one border that a test cannot have.
        monkeypatch.setattr(standing, "fleets", made.fleet_of)
        yield made


@pytest.fixture
def worker(here: Host, run_module: Run) -> Run:
    """worker("paused", number=[1]) with the settings file of this host."""

    def run(state: str = "info", *, check: bool = False, diff: bool = True, **options: Any) -> dict[str, Any]:
        given = {"state": state, "config": str(here.config), **options}
        return run_module("media_worker", given, check=check, diff=diff)

    return run


def names(*numbers: int) -> list[str]:
    return [f"{HOST}@{number}" for number in numbers]


def test_it_tells_how_each_worker_stands(here: Host, worker: Run) -> None:
    here.books.add_many(3)
    here.run(2)
    here.until(lambda: here.books.counts().done == 3)
    # Its progress is written every few seconds.
    here.until(lambda: sum(one["items"] for one in worker()["workers"]) == 3)
    told = worker()
    assert (told["changed"], told["predicted"], told["enabled"]) == (False, False, True)
    assert [one["name"] for one in told["workers"]] == names(1, 2)
    assert {one["state"] for one in told["workers"]} == {"well"}
    assert (told["stuck"], told["paused"], told["round"]) == ([], [], None)
    (size,) = [one for one in told["sizes"] if one["pipeline"] == "books"]
    assert (size["pipeline"], size["enabled"], size["running"], size["target"]) == ("books", 2, 2, None)


def test_one_is_drained_and_started_again_and_twice_changes_nothing(here: Host, worker: Run) -> None:
    here.run(2)
    drained = worker("drained", number=[2])
    assert drained["changed"] is True
    assert drained["diff"] == {"before": {names(2)[0]: "running"}, "after": {names(2)[0]: "stopped"}}
    assert [one["state"] for one in drained["workers"]] == ["stopped"]
    assert (here.active(), here.enabled()) == (names(1), names(1, 2))
    assert worker("drained", number=[2])["changed"] is False
    started = worker("started", name=names(2))
    assert (started["changed"], here.active()) == (True, names(1, 2))
    assert worker("started")["changed"] is False
    assert here.noted() == [("drain", names(2)[0]), ("start", names(2)[0])]


def test_what_a_drained_worker_held_is_ready_for_others_at_once(here: Host, worker: Run) -> None:
    (name,) = here.run(1)
    here.books.add_many(2)
    here.until(lambda: here.books.counts().done == 2)
    here.books.execute("update item set state = 'leased', lease_owner = :name, lease_token = 77,"
                       " lease_until = now() + interval '1 hour'", name=name)  # fmt: skip
    worker("drained")
    assert here.books.counts().leased == 0


def test_a_paused_worker_is_not_to_run_until_it_is_started_by_hand(here: Host, worker: Run) -> None:
    here.run(2)
    paused = worker("paused", number=[1], why="its disk is being changed")
    assert paused["changed"] is True
    assert (here.active(), here.enabled()) == (names(2), names(2))
    told = worker()
    assert told["paused"] == names(1)
    assert "its disk is being changed" in told["workers"][0]["sentence"]
    assert worker("paused", number=[1])["changed"] is False
    (entry,) = here.entries(what=What.ESCALATION)
    assert (entry.worker, entry.outcome) == (names(1)[0], "by hand")

    started = worker("started", number=[1])
    assert started["diff"] == {"before": {names(1)[0]: "paused"}, "after": {names(1)[0]: "running"}}
    assert (here.active(), here.enabled()) == (names(1, 2), names(1, 2))
    assert worker()["paused"] == []
    (entry,) = here.entries(what=What.RELEASE)
    assert "its disk is being changed" in entry.subject


def test_one_that_the_healing_paused_is_released_too(here: Host, worker: Run) -> None:
    (name,) = here.run(1)
    here.pause(name, "three remedies did not help", "hung")
    assert [one["why"] for one in worker()["workers"]] == ["three remedies did not help"]
    assert worker("started")["changed"] is True
    assert here.active() == [name]


def test_there_are_as_many_as_are_asked_for_and_the_highest_go_first(here: Host, worker: Run) -> None:
    here.run(2)
    more = worker("scaled", pipeline="books", count=4, why="the line is idle")
    assert (more["changed"], more["diff"]) == (True, {"before": {"workers": 2}, "after": {"workers": 4}})
    assert here.active() == here.enabled() == names(1, 2, 3, 4)
    assert worker("scaled", pipeline="books", count=4)["changed"] is False
    fewer = worker("scaled", pipeline="books", count=1)
    assert (fewer["changed"], here.active()) == (True, names(1))
    assert here.enabled() == names(1)
    assert [entry.outcome for entry in here.entries(what=What.SCALING)] == ["drain", "up"]
    assert "the line is idle" in here.entries(what=What.SCALING)[-1].subject


def test_one_that_is_paused_keeps_its_place(here: Host, worker: Run) -> None:
    here.run(3)
    worker("paused", number=[3])
    assert worker("scaled", pipeline="books", count=3)["changed"] is False
    assert worker("scaled", pipeline="books", count=2)["changed"] is True
    assert here.active() == names(1)
    worker("scaled", pipeline="books", count=0)
    assert here.active() == []
    # Only the paused one is left: there is nobody to drain.
    assert worker("scaled", pipeline="books", count=0)["changed"] is False
    assert worker()["paused"] == names(3)


def test_check_mode_predicts_and_touches_nothing(here: Host, worker: Run) -> None:
    one, two = here.run(2)
    worker("drained", number=[2])
    lives = len(here.fleet.lives(one))
    here.fleet.done.clear()
    expected = {
        "started": {two: "running"},
        "drained": {one: "stopped"},
        "paused": {one: "paused", two: "paused"},
    }
    for state, after in expected.items():
        told = worker(state, check=True)
        assert told["changed"] is True, state
        assert told["diff"]["before"] == {one: "running", two: "stopped"}
        assert told["diff"]["after"] == {**told["diff"]["before"], **after}
    assert worker("started", number=[1], check=True)["changed"] is False
    scaled = worker("scaled", pipeline="books", count=5, check=True)
    assert (scaled["changed"], scaled["diff"]["after"]) == (True, {"workers": 5})
    assert here.fleet.done == []
    assert (here.active(), here.enabled(), len(here.fleet.lives(one))) == ([one], [one, two], lives)
    assert here.entries() == []


def test_check_mode_on_a_host_that_has_no_settings_or_an_old_ledger_is_a_prediction(
    here: Host, worker: Run
) -> None:
    told = worker("started", check=True, config=str(here.folder / "absent.toml"))
    assert (told["changed"], told["predicted"]) == (True, True)
    assert "absent.toml" in told["msg"]
    assert worker(check=True, config=str(here.folder / "absent.toml"))["changed"] is False
    here.books.execute("drop table care")
    told = worker("started", check=True)
    assert (told["changed"], told["predicted"]) == (True, True)
    failed = worker("started")
    assert (failed["failed"], failed["changed"]) == (True, False)
    assert "medialift queue migrate" in failed["msg"]


def test_where_the_number_goes_by_pressure_nobody_has_more_than_its_target(here: Host, worker: Run) -> None:
    here.settings(healing__scaling="targets = {books = 3}")
    here.run(1)
    failed = worker("scaled", pipeline="books", count=4)
    assert failed["failed"] is True and "targets" in failed["msg"]
    (size,) = worker("scaled", pipeline="books", count=3)["sizes"]
    assert (size["running"], size["target"], size["desired"]) == (3, 3, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"state": "started", "number": [9]}, "There is no such worker on this host"),
        ({"state": "drained", "name": ["elsewhere@1"]}, "elsewhere@1"),
        ({"state": "scaled"}, "missing"),
        ({"state": "scaled", "pipeline": "books", "count": 65}, "64"),
        ({"state": "scaled", "pipeline": "films", "count": 1}, "films"),
        ({"state": "info", "pipeline": "films"}, "films"),
        ({"state": "info", "config": "/nonexistent.toml"}, "no such settings file"),
    ],
)
def test_bad_input_is_a_clear_error(worker: Run, options: dict[str, Any], message: str) -> None:
    failed = worker(options.pop("state"), **options)
    assert failed["failed"] is True
    assert message in failed["msg"]


def test_one_that_was_started_by_hand_is_shown_and_not_handled(here: Host, worker: Run) -> None:
    here.books.execute(
        "insert into worker (name, host, pipeline, collection, pid, life) values"
        " ('by hand', :host, 'books', 'calibre', 1, '1:1')",
        host=HOST,
    )
    assert [(one["name"], one["number"]) for one in worker()["workers"]] == [("by hand", 0)]
    failed = worker("paused", name=["by hand"])
    assert failed["failed"] is True and "No unit of this host" in failed["msg"]
    assert worker("paused")["changed"] is False


def test_a_ledger_that_does_not_answer_is_a_clear_error_without_its_password(here: Host, worker: Run) -> None:
    here.config.write_text('[database]\nurl = "postgresql://medialift:hidden-word@127.0.0.1:9/medialift"\n')
    failed = worker()
    assert (failed["failed"], failed["kind"]) == (True, "transient")
    assert "hidden-word" not in str(failed)


@pytest.mark.parametrize("name", ["media_worker", "healing_history"])
def test_the_documentation_tells_the_options_as_they_are(
    load_module: Callable[[str], Any], name: str
) -> None:
    module = load_module(name)
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    specified = module.argument_spec()
    assert set(documented) == set(specified)
    for option, given in specified.items():
        for key in ("type", "default", "choices", "elements"):
            assert documented[option].get(key) == given.get(key), (option, key)
    assert yaml.safe_load(module.EXAMPLES) and yaml.safe_load(module.RETURN)


def test_ansible_reads_its_documentation() -> None:
    program = Path(sys.executable).parent / "ansible-doc"
    shown = subprocess.run(
        [program, "-M", ROOT / "library", "-t", "module", "media_worker"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Handles the workers of every pipeline" in shown.stdout

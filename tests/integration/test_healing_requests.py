"""What a person asks of a worker from elsewhere is done by the healing of its host, in their name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from medialift.errors import Permanent
from medialift.healing import assembly, care, requests
from medialift.healing.loop import Loop
from medialift.healing.requests import Request
from medialift.healing.standing import Here, opened
from medialift.queueing.database import Database
from tests.healing_hands import HOST, Host, host

ONE, TWO = f"{HOST}@1", f"{HOST}@2"
WHO = "anna (session, dashboard)"


@pytest.fixture
def hands(tmp_path: Path, database: Database) -> Iterator[Host]:
    with host(tmp_path, database) as made:
        yield made


@pytest.fixture
def here(hands: Host) -> Iterator[Here]:
    with opened(hands.config) as found:
        yield Here(found.settings, found.database, hands.fleet_of)


def ask(hands: Host, name: str, what: str, why: str = "") -> str:
    with hands.database.engine.begin() as connection:
        return requests.ask(connection, name, what, who=WHO, why=why)  # type: ignore[arg-type]


def asked(hands: Host) -> list[Request]:
    with hands.database.engine.begin() as connection:
        return requests.listed(connection)


def test_a_worker_is_paused_and_released_by_the_healing_of_its_host_in_the_name_of_whoever_asked(hands, here):
    hands.run(2)
    assert ask(hands, ONE, "pause", "the disk is full") == HOST
    stop = Event()
    healer = assembly.healer(here, stop=stop, model=None)
    Loop(healer, stop, after=lambda _round: stop.set()).run()
    assert asked(hands) == []
    assert (hands.active(), hands.enabled()) == ([TWO], [TWO])
    assert hands.books.read(care.read, ONE).paused_why == "the disk is full"
    assert WHO in hands.entries(worker=ONE)[0].subject
    ask(hands, ONE, "release")
    requests.fulfil(here)
    assert asked(hands) == []
    assert sorted(hands.active()) == [ONE, TWO]
    assert not hands.books.read(care.read, ONE).paused
    assert hands.noted()[0] == ("ask to pause", ONE)


def test_what_cannot_be_done_is_told_and_not_tried_again_until_it_is_asked_again(hands, here):
    hands.run(1)
    ask(hands, ONE, "release")
    requests.fulfil(here)
    assert [one.refused for one in asked(hands)] == [
        "This worker is not paused: " + ONE + ". There is nothing to release."
    ]
    ask(hands, ONE, "pause")
    assert [(one.what, one.refused) for one in asked(hands)] == [("pause", "")]
    requests.fulfil(here)
    assert asked(hands) == []


def test_nobody_can_be_asked_of_who_is_not_known_and_nothing_is_done_for_another_host(hands, here):
    with pytest.raises(Permanent, match="no such worker"):
        ask(hands, "nobody@1", "pause")
    with hands.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into worker (name, host, pipeline, collection, pid, life)"
            " values ('attic@1', 'attic', 'books', 'calibre', 7, '7:1')"
        )
    assert ask(hands, "attic@1", "pause") == "attic"
    requests.fulfil(here)
    assert [(one.worker, one.refused) for one in asked(hands)] == [("attic@1", "")]

"""The book server's stand-in: what can be made to go wrong in it, and what it says of itself afterwards."""

from __future__ import annotations

import json
import time

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sandbox.mybookshelf.seeding import seeded
from tests.mybookshelf_world import Caller, call, epub


def test_a_request_fails_as_often_as_wanted_and_only_where_it_matches(caller):
    caller.standin.switches.fault("status", "POST /api/ebooks$", status=503, times=2, after=1)
    said = {"title": "A", "language": {"id": 2}}
    statuses = [caller.ask("POST", "ebooks", json=said).status_code for _ in range(5)]
    assert statuses == [200, 503, 503, 200, 200]
    assert caller.standin.facts()["ebooks"] == 3


def test_every_third_request_fails_until_the_fault_is_lifted(caller):
    caller.standin.switches.fault("status", "GET /api/genres", every=3)
    assert [caller.ask("GET", "genres").status_code for _ in range(6)] == [200, 200, 500] * 2
    caller.standin.switches.lift()
    assert {caller.ask("GET", "genres").status_code for _ in range(6)} == {200}


def test_a_reset_request_did_nothing_and_a_lost_answer_did_everything(caller):
    said = {"title": "A", "language": {"id": 2}}
    for kind, books in (("reset", 0), ("lost", 1)):
        caller.standin.switches.fault(kind, "POST /api/ebooks", times=1)
        with pytest.raises(httpx.TransportError):
            caller.ask("POST", "ebooks", json=said)
        assert caller.standin.facts()["ebooks"] == books


def test_the_lost_answer_of_an_add_is_a_404_when_it_is_asked_again(caller):
    upload, ebook = caller.uploaded(epub()), caller.ebook()
    caller.standin.switches.fault("lost", "add-upload", times=1)
    with pytest.raises(httpx.TransportError):
        caller.add(ebook, upload)
    assert caller.add(ebook, upload).status_code == 404
    assert caller.standin.facts()["sources"] == 1


def test_a_silent_server_answers_nobody_but_its_control(caller):
    caller.standin.switches.fault("silent")
    with pytest.raises(httpx.ReadTimeout):
        caller.ask("GET", "genres", timeout=0.2)
    caller.standin.switches.lift()
    assert caller.ask("GET", "genres").status_code == 200


def test_slow_answers_come_and_all_can_be_slow(caller):
    caller.standin.switches.fault("slow", "GET /api/genres", seconds=0.2, times=1)
    assert _seconds(caller) >= 0.2
    caller.standin.switches.set(latency=0.1)
    assert _seconds(caller) >= 0.1


def _seconds(caller: Caller) -> float:
    began = time.monotonic()
    caller.get("genres")
    return time.monotonic() - began


def test_a_body_can_be_too_large_after_all(caller):
    caller.standin.switches.fault("status", "POST /api/upload$", status=413)
    assert caller.check(epub()).json() == {"result": "ok"}
    assert caller.upload(epub()).status_code == 413


def test_a_socket_dropped_in_mid_task_gets_the_result_when_its_session_is_back(caller):
    file = caller.upload(epub()).json()["file"]
    caller.standin.switches.fault("drop", "TASK metadata", times=1)
    with caller.socket("mine") as socket, pytest.raises(ConnectionClosed):
        call(socket, "metadata", file, {})
    with caller.socket("mine") as socket:
        assert json.loads(socket.recv(timeout=5))[2]["status"] == "success"


def test_a_result_can_vanish_and_a_task_fail(caller):
    file = caller.upload(epub()).json()["file"]
    caller.standin.switches.fault("vanish", file, times=1)
    with caller.socket() as socket:
        with pytest.raises(TimeoutError):
            socket.send(json.dumps([1, "metadata", {"args": [file, {}]}]))
            for _ in range(3):
                socket.recv(timeout=0.3)
        caller.standin.switches.fault("fail", "metadata", times=1)
        assert call(socket, "metadata", file, {})[-1]["status"] == "error"
    assert caller.standin.facts()["uploads"] == 1


def test_all_sockets_can_be_cut(caller):
    with caller.socket() as one, caller.socket() as other:
        call(one, "nonsense"), call(other, "nonsense")
        assert caller.standin.switches.cut_sockets() == 2
        for socket in (one, other):
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=5)


def test_a_socket_can_be_refused(caller):
    caller.standin.switches.fault("status", "GET /ws", status=503, times=1)
    with pytest.raises(InvalidStatus):
        caller.socket()
    with caller.socket():
        pass


def test_requests_are_counted_by_route(caller):
    caller.migrated(epub())
    counted = caller.standin.switches.requests()
    assert counted["POST /login"] == counted["TASK metadata"] == counted["GET /ws"] == 1
    assert counted["POST /api/ebooks/{id}/add-upload"] == 1
    assert caller.standin.switches.most_in_flight() >= 1


def test_unknown_switches_and_faults_are_refused(bookshelf):
    with pytest.raises(ValueError, match="no such switch"):
        bookshelf.switches.set(nonsense=1)
    with pytest.raises(ValueError, match="no such fault"):
        bookshelf.switches.fault("nonsense")


def test_it_says_what_is_in_it_and_what_should_not_be(caller):
    content = epub()
    caller.migrated(content)
    caller.upload(epub(salt="left"))
    caller.ebook()
    assert caller.standin.facts() == {
        **{"ebooks": 2, "sources": 1, "uploads": 0, "authors": 1, "series": 0, "orphan_ebooks": 1},
        **{"duplicate_sources": 0, "duplicate_ebooks": 1, "leftover_folders": 1, "missing_files": 0},
    }
    (book, other) = caller.standin.books()
    assert (book["title"], book["authors"], book["language"]) == ("A Book", ["Writer"], "en")
    assert [source["size"] for source in book["sources"]] == [len(content)] and not other["sources"]


def test_a_killed_server_comes_back_with_what_it_had(bookshelf_of_test):
    caller = Caller(bookshelf_of_test)
    ebook, _ = caller.migrated(epub())
    bookshelf_of_test.kill()
    with pytest.raises(httpx.ConnectError):
        caller.get("genres")
    bookshelf_of_test.start()
    assert len(caller.get(f"ebooks/{ebook}")["sources"]) == 1  # the token is good too


def test_tasks_in_hand_are_lost_with_the_server(bookshelf_of_test):
    caller = Caller(bookshelf_of_test)
    file = caller.upload(epub()).json()["file"]
    bookshelf_of_test.switches.set(metadata_seconds=5)
    with caller.socket("mine") as socket:
        socket.send(json.dumps([1, "metadata", {"args": [file, {}]}]))
        socket.recv(timeout=5)
        bookshelf_of_test.stop()
    bookshelf_of_test.start()
    with caller.socket("mine") as socket, pytest.raises(TimeoutError):
        socket.recv(timeout=0.3)
    assert bookshelf_of_test.facts()["uploads"] == 0


def test_a_frozen_server_holds_its_ports_and_says_nothing(bookshelf_of_test):
    caller = Caller(bookshelf_of_test)
    bookshelf_of_test.freeze()
    with pytest.raises(httpx.ReadTimeout):
        caller.ask("GET", "genres", timeout=0.2)
    bookshelf_of_test.thaw()
    assert caller.ask("GET", "genres").status_code == 200


def test_it_can_have_many_books_already(caller):
    caller.standin.seed(2500)
    assert caller.get("ebooks", params={"page": 25, "page_size": 100})["total"] == 2500
    assert caller.get("search/seeded 2500")["items"][0]["title"] == "Seeded 2500"
    digest, size = seeded(1234)
    assert caller.check(b"", size=size, hash=digest).json() == {"error": "file already exists"}
    assert len(caller.standin.books()[7]["sources"]) == 1

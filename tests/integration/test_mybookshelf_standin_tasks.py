"""The book server's stand-in: its WebSocket, its sessions, and what its tasks make of a file."""

from __future__ import annotations

import json
import time

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from medialift.foundation.waiting import wait_until
from tests.mybookshelf_world import Caller, call, epub, sha1


@pytest.fixture
def file(caller) -> str:
    """An upload that is not described yet."""
    return str(caller.upload(epub()).json()["file"])


def test_no_socket_is_opened_for_a_bad_token(caller):
    for token in ("nonsense", caller.token[:-4] + "AAAA"):
        with pytest.raises(InvalidStatus) as refused:
            caller.socket(token=token)
        assert refused.value.response.status_code == 401


def test_an_expired_token_opens_no_socket_and_closes_none(caller, file):
    with caller.socket() as socket:
        caller.standin.switches.expire_tokens()
        assert call(socket, "metadata", file, {})[-1]["status"] == "success"
    with pytest.raises(InvalidStatus):
        caller.socket()


def test_a_task_is_taken_then_started_then_done(caller, file):
    with caller.socket() as socket:
        task, started, done = call(socket, "metadata", file, {})
    assert started == {"task_id": task, "status": "started"}
    assert (done["task_id"], done["status"], done["result"]) == (task, "success", 1)
    assert done["duration"] >= 0


def test_what_became_of_an_upload_is_read_by_its_number(caller):
    content = epub()
    number = caller.uploaded(content)
    said = caller.get(f"uploads-meta/{number}")
    assert {key: said[key] for key in ("id", "size", "hash", "format", "load_source", "cover")} == {
        **{"id": number, "size": len(content), "hash": sha1(content), "format": 8},
        **{"load_source": "book-1.epub", "cover": False},
    }
    assert caller.ask("GET", "uploads-meta/999").status_code == 404


def test_an_epub_says_what_it_is_and_the_server_finds_what_it_knows_of_that(caller):
    caller.ebook(authors=[{"last_name": "Writer", "first_name": "Ann"}], series={"title": "Known Series"})
    number = caller.uploaded(
        epub(
            *("Its Title", ["Ann Writer", "Doe, Jane"]),
            language="eng",
            subjects=["sci-fi", "HORROR", "Odd"],
            series=("known series", "2.0"),
            cover=b"picture",
        )
    )
    said = caller.get(f"uploads-meta/{number}")
    assert said["cover"] is True
    assert said["meta"] == {
        "title": "Its Title",
        "authors": [
            {"id": 1, "last_name": "Writer", "first_name": "Ann"},
            {"last_name": "Doe", "first_name": "Jane"},
        ],
        "language": {"id": 2, "code": "en", "name": "English"},
        "genres": [{"id": 25, "name": "Science Fiction"}, {"id": 13, "name": "Horror"}, {"name": "Odd"}],
        "series": {"id": 1, "title": "Known Series"},
        "series_index": 2,
    }


def test_what_is_proposed_stands_before_what_is_extracted(caller):
    proposed = {
        **{"title": "Ours", "authors": [{"last_name": "Other"}], "language": {"code": "ru"}},
        **{"series": {"title": "New"}, "series_index": 7, "genres": [{"name": "fantasy"}]},
    }
    number = caller.uploaded(epub("Its Title", subjects=["Horror"]), proposed)
    assert caller.get(f"uploads-meta/{number}")["meta"] == proposed | {
        "language": {"id": 4, "code": "ru", "name": "Russian"},
        "genres": [{"id": 9, "name": "Fantasy"}],
    }


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"code": "ces"}, "cs"),
        ({"code": "slk"}, "sk"),
        ({"name": "czech"}, "cs"),
        ({"code": "xx", "name": "Russian"}, "ru"),
    ],
)
def test_languages_are_found_by_code_synonym_and_name(caller, said, code):
    number = caller.uploaded(epub(), {"language": said})
    assert caller.get(f"uploads-meta/{number}")["meta"]["language"]["code"] == code


@pytest.mark.parametrize("code", ["rus", "deu", "EN"])
def test_no_synonym_leads_to_russian_and_other_languages_have_no_id(caller, code):
    number = caller.uploaded(epub(), {"language": {"code": code}})
    meta = caller.get(f"uploads-meta/{number}")["meta"]
    assert meta["language"] == {"code": code}
    assert caller.post("ebooks", meta)["error"] == "Invalid data"


def test_a_broken_epub_is_no_error_and_is_called_like_its_file(caller):
    number = caller.uploaded(b"not a zip at all")
    assert caller.get(f"uploads-meta/{number}")["meta"]["title"] == "book-1"
    other = caller.uploaded(b"text", name="some.txt", mime_type="text/plain")
    assert caller.get(f"uploads-meta/{other}")["meta"]["title"] == "some"


def test_a_file_that_is_not_there_fails_its_task_and_not_the_socket(caller, file):
    with caller.socket() as socket:
        assert call(socket, "metadata", "tmpnone/a.epub", {})[-1]["status"] == "error"
        assert call(socket, "metadata", file, {})[-1]["status"] == "success"


def test_an_unknown_task_and_a_message_that_is_none_are_errors(caller):
    with caller.socket() as socket:
        assert call(socket, "nonsense") == ["Unknown task nonsense"]
        socket.send("[7]")
        socket.send("no json")
        assert call(socket, "nonsense") == ["Unknown task nonsense"]


def test_many_calls_are_answered_on_one_socket_each_by_its_own_id(caller):
    files = [caller.upload(epub(salt=str(n))).json()["file"] for n in range(20)]
    with caller.socket() as socket:
        for number, file in enumerate(files):
            socket.send(json.dumps([number, "metadata", {"args": [file, {}]}]))
        results = {}
        while len(results) < len(files):
            kind, call_id, update = json.loads(socket.recv(timeout=10))
            if kind == "m" and update["status"] == "success":
                results[call_id] = update["result"]
    for number, file in enumerate(files):
        assert caller.get(f"uploads-meta/{results[number]}")["file"] == file


def test_answers_come_in_the_order_of_their_ends(caller):
    files = [caller.upload(epub(salt=str(n))).json()["file"] for n in range(2)]
    caller.standin.switches.set(metadata_workers=2, metadata_seconds=1)
    with caller.socket() as socket:
        socket.send(json.dumps([0, "metadata", {"args": [files[0], {}]}]))
        _until(socket, "started")
        caller.standin.switches.set(metadata_seconds=0)
        socket.send(json.dumps([1, "metadata", {"args": [files[1], {}]}]))
        assert [_until(socket, "success"), _until(socket, "success")] == [1, 0]


def test_as_many_tasks_run_as_there_are_workers(caller):
    caller.standin.switches.set(metadata_workers=1, metadata_seconds=0.2)
    files = [caller.upload(epub(salt=str(n))).json()["file"] for n in range(3)]
    began = time.monotonic()
    with caller.socket() as socket:
        for number, file in enumerate(files):
            socket.send(json.dumps([number, "metadata", {"args": [file, {}]}]))
        assert [_until(socket, "success") for _ in files] == [0, 1, 2]
    assert time.monotonic() - began >= 0.6


def test_the_queue_has_an_end(caller, file):
    caller.standin.switches.set(queue_size=0)
    with caller.socket() as socket:
        assert call(socket, "metadata", file, {}) == ["Task queue is full"]


def _until(socket: ClientConnection, status: str) -> int:
    """The call whose update says so, whatever else is said before."""
    while True:
        kind, call_id, update = json.loads(socket.recv(timeout=10))
        if kind == "m" and update["status"] == status:
            return int(call_id)


def test_metadata_that_takes_too_long_is_an_error(caller, file):
    caller.standin.switches.set(metadata_seconds=5, metadata_limit=0.1)
    assert caller.described(file)["status"] == "error"


def test_a_result_waits_for_a_session_that_comes_back(caller, file):
    _leave_while_it_works(caller, file)
    with caller.socket("mine") as socket:
        assert json.loads(socket.recv(timeout=5))[2]["status"] == "success"


def test_a_result_does_not_wait_for_another_session_nor_for_one_that_is_too_late(caller, file):
    caller.standin.switches.set(session_seconds=0.2)
    _leave_while_it_works(caller, file)
    with caller.socket("other") as other, pytest.raises(TimeoutError):
        other.recv(timeout=0.3)
    with caller.socket("mine") as socket, pytest.raises(TimeoutError):
        socket.recv(timeout=0.2)
    assert caller.standin.facts()["uploads"] == 1  # done, and nobody knows its number


def _leave_while_it_works(caller: Caller, file: str) -> None:
    caller.standin.switches.set(metadata_seconds=1)
    with caller.socket("mine") as socket:
        socket.send(json.dumps([1, "metadata", {"args": [file, {}]}]))
        _until(socket, "started")
    assert wait_until(lambda: caller.standin.facts()["uploads"] == 1, at_most=10, every=0.02)


def test_the_later_of_two_connections_with_one_session_closes_the_earlier(caller, file):
    with caller.socket("mine") as earlier, caller.socket("mine") as later:
        with pytest.raises(ConnectionClosed):
            earlier.recv(timeout=5)
        assert call(later, "metadata", file, {})[-1]["status"] == "success"


def test_sessions_of_two_users_are_two_even_with_one_name(caller):
    with caller.socket("same") as one, Caller(caller.standin, "user", "user").socket("same") as other:
        assert call(other, "nonsense") == call(one, "nonsense")


def test_covers_and_conversions_are_tasks_too(caller):
    ebook, source = caller.migrated(epub())
    picture = {"file": ("cover.png", b"picture", "image/png")}
    file = caller.ask("POST", "upload-cover", files=picture).json()["file"]
    assert (
        "Invalid file type" in caller.ask("POST", "upload-cover", files={"file": ("a", b"x", "text/x")}).text
    )
    with caller.socket() as socket:
        assert call(socket, "cover", file, ebook)[-1]["status"] == "success"
        assert call(socket, "convert", source, "mobi")[-1]["status"] == "success"
        assert call(socket, "convert-many", ebook, "fb2")[-1]["status"] == "success"
        assert call(socket, "convert", source, "xyz")[-1]["status"] == "error"
    assert caller.get(f"ebooks/{ebook}")["cover"] is True

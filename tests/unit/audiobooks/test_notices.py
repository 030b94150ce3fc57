"""Who is told what: every destination hears what it wants to hear, and nothing else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from medialift.audiobooks import notices
from medialift.errors import Permanent, Transient
from medialift.notify import Event, events_of
from medialift.settings import NotifySettings


class Heard(HTTPServer):
    """A webhook that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), Hook)

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_port}/"


class Hook(BaseHTTPRequestHandler):
    server: Heard

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_said: object) -> None:
        """Not in the output of tests."""


@pytest.fixture
def hook() -> Iterator[Heard]:
    server = Heard()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


FAILED = notices.failed(
    "convert", "Tales", Permanent("The file is empty", "01.mp3", "Copy it again"), attempts=1
)


def settings(hook: Heard, **more: object) -> NotifySettings:
    return NotifySettings(urls=(hook.url,), **more)  # type: ignore[arg-type]


def test_a_failure_says_what_happened_to_which_book_and_what_to_do(hook: Heard) -> None:
    (delivery,) = notices.send(FAILED, settings(hook))
    assert delivery.ok
    (told,) = hook.told
    assert told["title"] == "Not converted: Tales" and told["type"] == "failure"
    assert told["message"] == "The file is empty: 01.mp3. Copy it again.\nGiven up after 1 attempt."


def test_a_destination_hears_the_events_that_are_named_for_it_in_place_of_the_common_ones(
    hook: Heard,
) -> None:
    quiet = settings(hook, events_of={"json": ("audiobook_done",)})
    assert notices.send(FAILED, quiet) == []
    notices.send(notices.done("Tales", "shelf: Tales.m4b"), quiet)
    assert [told["title"] for told in hook.told] == ["Audiobook ready: Tales"]


def test_the_longest_start_of_an_address_decides_and_a_scheme_is_a_whole_word(hook: Heard) -> None:
    (url,) = settings(hook).urls
    of = {"json": ("audiobook_done",), "json://127.0.0.1": ("audiobook_failed",), "js": ("stuck",)}
    assert events_of(url, settings(hook, events_of=of)) == ("audiobook_failed",)
    assert "audiobook_failed" in events_of(url, settings(hook, events_of={"jso": ("stuck",)}))


@pytest.mark.parametrize(
    ("detail", "event"),
    [
        (notices.done("Tales", "there"), Event.AUDIOBOOK_DONE),
        (FAILED, Event.AUDIOBOOK_FAILED),
        (notices.failed("tag", "Tales", Permanent("No"), attempts=6), Event.AUDIOBOOK_TAGGING_FAILED),
        (notices.again("tag", "Tales", Transient("No"), attempt=2, delay=120), Event.AUDIOBOOK_RETRY),
        (notices.needs_person("tag", "Tales", "Which?", "Say it"), Event.AUDIOBOOK_NEEDS_PERSON),
        (notices.refused("Odd", "Two things", "Rename it", "Odd/"), Event.AUDIOBOOK_NEEDS_PERSON),
        (notices.tagged("Tales", changes=3, why=""), Event.AUDIOBOOK_TAGGED),
        (
            notices.converted("Tales", "/x/Tales.m4b", played=60, bytes=9, how="encode"),
            Event.AUDIOBOOK_READY_FOR_TAGGING,
        ),
    ],
)
def test_each_thing_that_happens_has_its_event(detail: dict[str, str], event: Event) -> None:
    assert detail["event"] == event.value
    assert "Tales" in detail["title"] or "Odd" in detail["title"]
    json.dumps(detail)

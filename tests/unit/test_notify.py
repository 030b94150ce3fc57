"""Notices reach a real receiver, and a dead one is told of without failing anything."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import get_args

import pytest
from pydantic import SecretStr

from medialift.notify import CATEGORIES, Event, Notice, destinations, send, tell
from medialift.settings import NotifySettings
from sandbox.ports import free_port

NOTICE = Notice(Event.ENDED, "The burst of home ended well", "315 films before, 321 after")


@pytest.fixture
def receiver():
    """A real HTTP server that keeps what Apprise posts to it; its status can be set."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.received.append(body)
            self.send_response(server.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.received, server.status = [], 200
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def address(server, path="hook"):
    return SecretStr(f"json://127.0.0.1:{server.server_port}/{path}")


def dead_address():
    return SecretStr(f"json://127.0.0.1:{free_port()}/hook?cto=1&rto=1")


def test_a_notice_arrives_with_its_title_body_and_looks(receiver):
    assert [delivery.ok for delivery in send([NOTICE], [address(receiver)])] == [True]
    [message] = receiver.received
    assert message["title"] == NOTICE.title
    assert message["message"] == NOTICE.body
    assert message["type"] == "success"


def test_a_dead_destination_is_reported_and_the_living_one_still_told(receiver):
    dead, living = send([NOTICE], [dead_address(), address(receiver)])
    assert not dead.ok
    assert dead.error
    assert living.ok
    assert len(receiver.received) == 1


def test_a_refusal_is_reported_with_its_reason(receiver):
    receiver.status = 500
    [delivery] = send([NOTICE], [address(receiver)])
    assert not delivery.ok
    assert "500" in delivery.error


def test_an_address_that_nobody_knows_is_reported_without_its_secrets():
    [delivery] = send([NOTICE], [SecretStr("nosuchservice://hunter2-token/chat")])
    assert not delivery.ok
    assert "hunter2" not in str(delivery)


def test_the_token_in_an_address_never_shows(receiver):
    receiver.status = 500
    url = SecretStr(f"json://user:hunter2pass@127.0.0.1:{receiver.server_port}/hook")
    [delivery] = send([NOTICE], [url])
    assert not delivery.ok
    assert "hunter2" not in str(delivery)


def test_only_the_wanted_events_are_told(receiver):
    notices = [NOTICE, Notice(Event.OVERSPENT, "It cost more than planned", "2.10 EUR of 1.50 EUR")]
    deliveries = send(notices, [address(receiver)], ["failed", "overspent"])
    assert [delivery.event for delivery in deliveries] == [Event.OVERSPENT]
    assert receiver.received[0]["type"] == "warning"


def test_a_secret_quoted_in_a_notice_is_masked(receiver):
    send([Notice(Event.FAILED, "It failed", "refused: X-Plex-Token=hunter2secret")], [address(receiver)])
    assert "hunter2" not in json.dumps(receiver.received)


def test_every_event_can_be_wanted_and_has_its_looks(receiver):
    (choices,) = {get_args(one) for one in get_args(NotifySettings.model_fields["events"].annotation)} - {()}
    wanted = NotifySettings(events=choices).events
    assert set(wanted) == set(Event)
    deliveries = send([Notice(event, "It happened", "here") for event in Event], [address(receiver)], wanted)
    assert [delivery.ok for delivery in deliveries] == [True] * len(Event)
    assert len(receiver.received) == len(Event)


def test_a_destination_with_events_of_its_own_hears_those_and_no_others(receiver):
    url = address(receiver)
    quiet = NotifySettings(urls=(url,), events_of={"json": ("overspent",)})
    notices = [NOTICE, Notice(Event.OVERSPENT, "It cost more than planned", "2 EUR")]
    assert [delivery.event for delivery in tell(notices, quiet)] == [Event.OVERSPENT]
    common = NotifySettings(urls=(url,), events=(NOTICE.event,))
    assert [delivery.event for delivery in tell(notices, common)] == [NOTICE.event]


def test_destinations_are_shown_without_their_secrets_and_with_what_they_hear():
    urls = ("ntfy://hunter2user:hunter2pass@ntfy.example/hunter2topic", "nonsense://hunter2", "hunter2")
    found = destinations(NotifySettings(urls=urls, events=("failed",), events_of={"ntfy": ("ended",)}))
    assert "hunter2pass" not in str(found) and "hunter2topic" not in str(found)
    assert [one.number for one in found] == [1, 2, 3]
    assert (found[0].service, found[0].events, found[0].problem) == ("ntfy", ("ended",), "")
    assert found[1].events == ("failed",) and found[1].address.startswith("nonsense://*")
    assert all(one.problem and "hunter2" not in one.address for one in found[1:])


def test_every_event_is_of_one_category():
    assert sorted(event for events in CATEGORIES.values() for event in events) == sorted(Event)

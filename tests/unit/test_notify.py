"""Notices reach a real receiver, and a dead one is told of without failing anything."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import get_args

import pytest
from pydantic import SecretStr

from medialift.notify import Event, Notice, send
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

"""Plex's answers are taken for what they are: a failed reading is an error, never an empty answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from medialift.errors import Permanent, Transient
from medialift.plex.server import PlexServer, read_token

SECTIONS = """<MediaContainer size="1"><Directory key="3" type="artist" title="Music"
 agent="tv.plex.agents.music" scanner="Plex Music" language="en-US" refreshing="1" scannedAt="1700000000">
 <Location id="3" path="/cloud/media/Music"/><Location id="4" path="/cloud/media/More"/>
 </Directory></MediaContainer>"""
ACTIVITIES = """<MediaContainer size="2">
 <Activity uuid="1" type="butler" cancellable="0" title="Butler" progress="100"/>
 <Activity uuid="2" type="library.update.section" title="Scanning" subtitle="Music" progress="40">
 <Context librarySectionID="3"/></Activity></MediaContainer>"""
PREFS = """<MediaContainer>
 <Setting id="autoEmptyTrash" type="bool" default="true" value="true"/></MediaContainer>"""
STARTING = "<html>Plex Media Server is still starting up.</html>"


def server(
    answer: Callable[[httpx.Request], httpx.Response], token: str | Callable[[], str | None] | None = None
) -> PlexServer:
    client = httpx.Client(transport=httpx.MockTransport(answer))
    return PlexServer("http://10.0.0.1:32400/", token, client=client)


def saying(status: int, text: str = "") -> PlexServer:
    return server(lambda _request: httpx.Response(status, text=text))


def test_a_section_is_read_with_what_plexapi_drops() -> None:
    (section,) = saying(200, SECTIONS).sections()
    assert (section.key, section.refreshing, section.scanned_at) == ("3", True, 1700000000)
    assert section.locations == ("/cloud/media/Music", "/cloud/media/More")


def test_an_activity_names_the_section_it_concerns() -> None:
    found = saying(200, ACTIVITIES).activities()
    assert [(one.type, one.section, one.progress) for one in found] == [
        ("butler", "", 100),
        ("library.update.section", "3", 40),
    ]


@pytest.mark.parametrize(("status", "text"), [(503, STARTING), (400, STARTING)])
def test_a_server_that_is_starting_up_may_be_asked_again(status: int, text: str) -> None:
    with pytest.raises(Transient, match="starting up"):
        saying(status, text).sections()


@pytest.mark.parametrize("text", ["", "<MediaContainer", "<html>oops</p>"])
def test_an_answer_that_cannot_be_parsed_is_an_error(text: str) -> None:
    with pytest.raises(Transient, match="parsed"):
        saying(200, text).sections()


def test_no_answer_is_an_error_that_may_pass() -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(Transient, match="did not answer"):
        server(broken).activities()


def test_a_refused_token_is_for_a_person_to_mend() -> None:
    with pytest.raises(Permanent, match="refuses the token"):
        server(lambda _request: httpx.Response(401, text="<html/>"), "old-token").sections()


def test_a_token_that_appears_by_a_claim_is_picked_up() -> None:
    tokens = iter([None, "new-token"])

    def answer(request: httpx.Request) -> httpx.Response:
        fine = request.headers.get("X-Plex-Token") == "new-token"
        return httpx.Response(200 if fine else 401, text=SECTIONS)

    assert server(answer, lambda: next(tokens)).sections()[0].name == "Music"


def test_a_butler_task_that_runs_already_is_no_error() -> None:
    assert saying(200).start_butler("MusicAnalysis") is True
    assert saying(202).start_butler("MusicAnalysis") is False


def test_an_unknown_butler_task_is_an_error_that_lists_the_known_ones() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        known = '<ButlerTasks><ButlerTask name="MusicAnalysis"/></ButlerTasks>'
        return httpx.Response(404) if request.method == "POST" else httpx.Response(200, text=known)

    with pytest.raises(Permanent, match="MusicAnalysis"):
        server(answer).start_butler("Dance")


def test_ready_means_that_it_can_be_written_too() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path}?{request.url.query.decode()}")
        if request.method == "PUT":
            return httpx.Response(400, text=STARTING)
        bodies = {"/identity": '<MediaContainer claimed="0"/>', "/library/sections": SECTIONS}
        return httpx.Response(200, text=bodies.get(request.url.path, PREFS))

    assert "starting up" in server(answer).why_not_ready()
    assert asked[-1] == "PUT /:/prefs?autoEmptyTrash=true"  # what it was before: asking changes nothing


def test_waiting_for_it_ends_with_the_last_reason() -> None:
    with pytest.raises(Transient, match="starting up"):
        saying(503, STARTING).wait_ready(at_most=0.05, every=0.01)


def test_a_claim_token_is_in_no_error() -> None:
    with pytest.raises(Permanent, match="refused the claim token") as error:
        saying(400, "no").claim("claim-abcdefghijkl")
    assert "abcdefghijkl" not in str(error.value)


def test_the_token_is_read_from_preferences(tmp_path: Path) -> None:
    file = tmp_path / "Preferences.xml"
    assert read_token(file) is None
    file.write_text('<?xml version="1.0"?>\n<Preferences FriendlyName="x"/>')
    assert read_token(file) is None
    file.write_text('<?xml version="1.0"?>\n<Preferences PlexOnlineToken="abc"/>')
    assert read_token(file) == "abc"
    file.write_text("<Preferences Plex")
    with pytest.raises(Transient, match="parsed"):
        read_token(file)

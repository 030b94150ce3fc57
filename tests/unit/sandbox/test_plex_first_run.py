"""What the image does at its first start: an identity, and a claim token exchanged once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.plex import init
from sandbox.plex.preferences import Preferences
from sandbox.plex.web import Listener
from sandbox.plextv.api import Api
from sandbox.plextv.ledger import Ledger, NotClaimableError


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Ledger:
    return Ledger(tmp_path / "plextv.json", clock)


@pytest.fixture
def plex_tv(ledger: Ledger) -> Iterator[str]:
    listener = Listener(("127.0.0.1", 0), Api(ledger).answer, "plex.tv")
    threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{listener.server_address[1]}"
    listener.shutdown()
    listener.server_close()


def preferences(data: Path) -> Preferences:
    return Preferences(data / "Preferences.xml")


def test_a_claim_token_is_exchanged_at_the_first_start(tmp_path: Path, ledger: Ledger, plex_tv: str) -> None:
    token = ledger.hand_out().token
    assert "obtained" in init.first_run({"PLEX_CLAIM": token}, tmp_path, plex_tv)
    assert preferences(tmp_path).claimed
    assert ledger.summary()["servers"] == [preferences(tmp_path).get("ProcessedMachineIdentifier")]


def test_a_claim_token_comes_from_a_file_too(tmp_path: Path, ledger: Ledger, plex_tv: str) -> None:
    secret = tmp_path / "claim"
    secret.write_text(ledger.hand_out().token + "\n")
    init.first_run({"PLEX_CLAIM_FILE": str(secret)}, tmp_path, plex_tv)
    assert preferences(tmp_path).claimed


def test_an_expired_token_leaves_the_server_unclaimed(
    tmp_path: Path, ledger: Ledger, plex_tv: str, clock: Clock
) -> None:
    token = ledger.hand_out().token
    clock.time += 241
    assert "not exchanged" in init.first_run({"PLEX_CLAIM": token}, tmp_path, plex_tv)
    assert not preferences(tmp_path).claimed


def test_a_claimed_server_does_not_use_its_token_up(tmp_path: Path, ledger: Ledger, plex_tv: str) -> None:
    init.first_run({"PLEX_CLAIM": ledger.hand_out().token}, tmp_path, plex_tv)
    unused = ledger.hand_out().token
    assert "already" in init.first_run({"PLEX_CLAIM": unused}, tmp_path, plex_tv)
    assert ledger.exchange(unused, "another server")


def test_a_server_keeps_its_identity_and_two_servers_differ(tmp_path: Path) -> None:
    first, again = preferences(tmp_path / "a"), preferences(tmp_path / "a")
    other = preferences(tmp_path / "b")
    name = "ProcessedMachineIdentifier"
    assert first.get(name) == again.get(name) != other.get(name)


def test_a_token_is_good_once_and_the_ledger_survives_a_restart(
    tmp_path: Path, ledger: Ledger, clock: Clock
) -> None:
    token = ledger.hand_out().token
    again = Ledger(tmp_path / "plextv.json", clock)
    assert again.is_server(again.exchange(token, "server"))
    with pytest.raises(NotClaimableError, match="used"):
        again.exchange(token, "server")


def test_a_server_that_left_the_account_is_known_no_more(ledger: Ledger) -> None:
    server = ledger.exchange(ledger.hand_out().token, "server")
    assert ledger.forget("server") == 1
    assert not ledger.is_server(server)


def test_ownership_is_changed_only_where_it_differs(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    facts = tmp_path.stat()
    assert init.give_to(tmp_path, facts.st_uid, facts.st_gid) == 0

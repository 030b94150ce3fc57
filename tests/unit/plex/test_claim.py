"""A fresh server is claimed with a token that was got right then; an expired one costs no new machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import httpx
import pytest

from medialift.errors import Permanent, Transient
from medialift.plex.claim import ClaimSource, claim
from medialift.plex.server import Identity


class FastClock:
    """Time passes by sleeping only; what happens meanwhile is given."""

    def __init__(self, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.at = 0.0
        self.meanwhile = meanwhile

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float, stop: Event) -> bool:
        self.at += seconds
        self.meanwhile()
        return stop.is_set()


class Plex:
    """An unclaimed server that takes one token."""

    def __init__(self, good: str = "claim-good") -> None:
        self.good = good
        self.offered: list[str] = []

    def identity(self) -> Identity:
        return Identity("m", "1.43", self.good in self.offered)

    def claim(self, token: str) -> None:
        self.offered.append(token)
        if token != self.good:
            raise Permanent("Plex refused the claim token", "400")


def test_a_token_given_as_a_value_claims() -> None:
    plex = Plex()
    assert claim(plex, ClaimSource(value="claim-good\n")) is True
    assert claim(plex, ClaimSource(value="claim-good")) is False  # claimed already: nothing is spent
    assert plex.offered == ["claim-good"]


def test_an_expired_value_is_an_error_at_once() -> None:
    with pytest.raises(Permanent, match="refused"):
        claim(Plex(), ClaimSource(value="claim-old"), clock=FastClock())


def test_an_expired_token_in_a_file_is_waited_out_until_a_fresh_one_is_there(tmp_path: Path) -> None:
    file = tmp_path / "claim"
    file.write_text("claim-old")
    plex, told = Plex(), []
    clock = FastClock(lambda: file.write_text("claim-good\n") and None if clock.at > 60 else None)
    assert claim(plex, ClaimSource(file=file), clock=clock, tell=told.append)
    assert plex.offered == ["claim-old", "claim-good"]  # the old one is not tried again and again
    assert any("waiting for a new one" in line for line in told)
    assert not any("claim-" in line for line in told)


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "claim"
    clock = FastClock(lambda: file.write_text("claim-good") and None if clock.at > 10 else None)
    assert claim(Plex(), ClaimSource(file=file), clock=clock)


def test_waiting_for_a_fresh_token_has_an_end(tmp_path: Path) -> None:
    file = tmp_path / "claim"
    file.write_text("claim-old")
    with pytest.raises(Transient, match="expired"):
        claim(Plex(), ClaimSource(file=file), clock=FastClock(), at_most=100)


def test_an_account_is_asked_for_a_fresh_token_each_time() -> None:
    asked: list[httpx.Request] = []

    def plex_tv(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"token": "claim-good" if len(asked) > 1 else "claim-stale"})

    source = ClaimSource(account_token="account-secret", account_url="http://plex.test/")
    client = httpx.Client(transport=httpx.MockTransport(plex_tv))
    assert claim(Plex(), source, client=client, clock=FastClock())
    assert str(asked[0].url) == "http://plex.test/api/claim/token.json"
    assert asked[0].headers["X-Plex-Token"] == "account-secret"
    assert len(asked) == 2


def test_a_refused_account_is_for_a_person_to_mend() -> None:
    client = httpx.Client(transport=httpx.MockTransport(lambda _request: httpx.Response(401)))
    with pytest.raises(Permanent, match="account's token is refused") as error:
        claim(Plex(), ClaimSource(account_token="account-secret"), client=client, clock=FastClock())
    assert "account-secret" not in str(error.value)


def test_an_account_whose_tokens_never_work_is_given_up() -> None:
    tokens = iter(f"claim-{number}" for number in range(100))
    client = httpx.Client(
        transport=httpx.MockTransport(lambda _request: httpx.Response(200, json={"token": next(tokens)}))
    )
    plex = Plex()
    with pytest.raises(Permanent, match="refused"):
        claim(plex, ClaimSource(account_token="x" * 10), client=client, clock=FastClock())
    assert len(plex.offered) == 3


@pytest.mark.parametrize("given", [{}, {"value": "claim-a", "account_token": "b"}])
def test_a_token_comes_from_exactly_one_place(given: dict[str, str]) -> None:
    with pytest.raises(Permanent, match="exactly one place"):
        ClaimSource(**given)


def test_what_is_no_claim_token_is_told_so() -> None:
    with pytest.raises(Permanent, match="start with claim-") as error:
        claim(Plex(), ClaimSource(value="my-password"))
    assert "my-password" not in str(error.value)


def test_no_secret_shows_in_a_repr() -> None:
    assert "abcdef" not in repr(ClaimSource(value="claim-abcdef"))
    assert "abcdef" not in repr(ClaimSource(account_token="abcdef"))

"""How fast and when: a limit on bytes, and the breaker that waits for a server that is down."""

from __future__ import annotations

import asyncio

import pytest

from medialift.books.bandwidth import Bandwidth
from medialift.books.breaker import IN_A_ROW, Breaker
from medialift.books.server.answers import Broken, Lost, NotLetIn, Refused, Unreachable


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_bytes_go_no_faster_than_the_limit_but_for_the_first_second():
    time = Time()
    bandwidth = Bandwidth(1000, clock=time, sleep=time.sleep)

    async def send() -> None:
        for _ in range(50):
            await bandwidth.spend(200)

    asyncio.run(send())
    assert 8.5 <= time.now - 100 <= 10


def test_workers_share_a_limit_and_none_means_none():
    time = Time()
    bandwidth = Bandwidth(clock=time, sleep=time.sleep)
    asyncio.run(bandwidth.spend(10**9))
    assert time.now == 100
    bandwidth.share(1000, 4)
    assert bandwidth.rate == 250


def test_limited_chunks_are_the_same_chunks():
    async def chunks():
        yield b"a"
        yield b"b"

    async def gather() -> list[bytes]:
        return [chunk async for chunk in Bandwidth(10**6).limited(chunks())]

    assert asyncio.run(gather()) == [b"a", b"b"]


class Health:
    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)

    async def __call__(self) -> bool:
        return self.answers.pop(0) if self.answers else True


def test_a_server_that_fails_and_does_not_answer_opens_the_breaker():
    breaker = Breaker(Health(False))
    assert asyncio.run(breaker.failed(1, Unreachable("gone"))) and breaker.open


def test_a_server_that_answers_leaves_the_failure_to_the_book():
    breaker = Breaker(Health(True))
    assert not asyncio.run(breaker.failed(1, Broken("500"))) and not breaker.open


def test_a_book_s_own_error_says_nothing_of_the_server():
    breaker = Breaker(Health(False))
    assert not asyncio.run(breaker.failed(1, Refused("no")))


def test_many_books_in_a_row_open_it_though_the_server_answers_and_then_one_goes_first():
    breaker = Breaker(Health())

    async def fail() -> list[bool]:
        return [await breaker.failed(book, Lost("?")) for book in range(IN_A_ROW)]

    assert asyncio.run(fail()) == [False] * (IN_A_ROW - 1) + [True]
    assert breaker.open and breaker.half_open
    breaker.succeeded()
    assert not breaker.open and not breaker.half_open


def test_what_the_one_book_meets_that_goes_first_counts_and_what_others_meet_does_not():
    breaker = Breaker(Health())

    async def fail() -> list[bool]:
        for book in range(IN_A_ROW):
            await breaker.failed(book, Lost("?"))
        breaker.open = False  # a probe succeeded
        return [await breaker.failed(book, Broken("500")) for book in (70, 70, 71, 70)]

    assert asyncio.run(fail()) == [False, False, True, False] and breaker.open


def test_a_server_that_refuses_a_simple_request_is_no_better_than_one_that_is_away():
    async def refuses() -> bool:
        raise NotLetIn("wrong password")

    assert asyncio.run(Breaker(refuses).failed(1, Lost("?")))


def test_the_same_book_failing_again_and_again_opens_nothing():
    breaker = Breaker(Health())

    async def fail() -> list[bool]:
        return [await breaker.failed(7, Broken("500")) for _ in range(20)]

    assert not any(asyncio.run(fail()))


@pytest.mark.parametrize("stopped", [False, True])
def test_waiting_ends_when_the_server_answers_or_the_worker_is_to_end(stopped: bool):
    async def wait() -> bool:
        breaker, stop = Breaker(Health(False, True)), asyncio.Event()
        await breaker.failed(1, Unreachable("gone"))
        if stopped:
            stop.set()
        return await breaker.wait(stop)

    assert asyncio.run(wait()) is not stopped

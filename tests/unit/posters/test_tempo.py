"""Turns, pauses, and the breaker."""

from __future__ import annotations

import asyncio

import pytest

from medialift.posters.answers import Away, Missing, Stopped
from medialift.posters.breaker import IN_A_ROW, Breaker
from medialift.posters.tempo import Tempo


def test_requests_begin_so_far_apart_however_many_ask_at_once():
    async def go() -> float:
        tempo, loop = Tempo(0.02, asyncio.Event()), asyncio.get_running_loop()
        began = loop.time()
        await asyncio.gather(*(tempo.turn() for _ in range(6)))
        return loop.time() - began

    assert asyncio.run(go()) >= 0.1


def test_after_a_pause_it_goes_on_slower_and_comes_back_to_its_usual_pace():
    async def go() -> None:
        tempo, loop = Tempo(0.0, asyncio.Event()), asyncio.get_running_loop()
        tempo.pause(0.1)
        began = loop.time()
        await tempo.turn()
        assert loop.time() - began >= 0.1
        assert tempo.interval >= 0.2
        for _ in range(50):
            tempo.went_well()
        assert tempo.interval == 0.0

    asyncio.run(go())


def test_many_pauses_never_make_it_wait_for_ever():
    async def go() -> None:
        tempo = Tempo(0.5, asyncio.Event())
        for _ in range(50):
            tempo.pause(0)
        assert tempo.interval <= 10.0

    asyncio.run(go())


def test_whoever_waits_for_a_turn_is_told_when_the_worker_ends():
    async def go() -> None:
        stop = asyncio.Event()
        tempo = Tempo(60.0, stop)
        await tempo.turn()
        waiting = asyncio.create_task(tempo.turn())
        await asyncio.sleep(0)
        stop.set()
        with pytest.raises(Stopped):
            await asyncio.wait_for(waiting, 5)

    asyncio.run(go())


def breaker(*answers: bool) -> Breaker:
    left = list(answers)

    async def ask() -> bool:
        return left.pop(0)

    return Breaker(ask)


def test_a_server_that_does_not_answer_opens_the_breaker_at_once_and_no_picture_pays():
    made = breaker(False)
    assert asyncio.run(made.failed(1, Away("No connection"))) is True
    assert made.open


def test_a_failure_of_one_picture_is_its_own():
    made = breaker(True, True)
    assert asyncio.run(made.failed(1, Away("No connection"))) is False
    assert asyncio.run(made.failed(2, Missing("No such picture"))) is False
    assert not made.open


def test_many_failures_in_a_row_open_it_though_the_server_answers_and_are_paid_for():
    made = breaker(*[True] * IN_A_ROW)

    async def go() -> list[bool]:
        return [await made.failed(item, Away("No connection")) for item in range(IN_A_ROW)]

    assert asyncio.run(go()) == [False] * IN_A_ROW
    assert made.open


def test_it_closes_when_the_server_answers_again():
    made = breaker(False, True)

    async def go() -> bool:
        await made.failed(1, Away("No connection"))
        return await made.until_up(asyncio.Event())

    assert asyncio.run(go()) is True and not made.open

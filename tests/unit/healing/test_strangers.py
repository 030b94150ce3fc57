"""Workers that run and that the ledger does not know: found by what runs them alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medialift.healing.fleet import Member
from medialift.healing.observed import Observed, Trouble, Verdict
from medialift.healing.strangers import Strangers
from tests.model_world import worker

MEMBER = Member("books@shelf1@1", 1, "unit", enabled=True, active=True, pid=5000)
LIMIT, CRASHES = 1200.0, 5


@pytest.fixture
def strangers() -> Strangers:
    return Strangers()


def judged(
    strangers: Strangers, now: float, member: Member = MEMBER, known: Observed | None = None
) -> Verdict | None:
    seen = {known.name: known} if known is not None else {}
    found = strangers.judged(
        [member], seen, now, host="shelf1", pipeline="books", limit=LIMIT, crashes=CRASHES
    )
    return found[member.name][1] if found else None


def test_one_that_starts_gets_its_time_and_not_more(strangers: Strangers) -> None:
    for minute in range(21):
        assert judged(strangers, minute * 60.0) is None
    verdict = judged(strangers, 21 * 60.0)
    assert verdict is not None and verdict.trouble is Trouble.NOT_STARTING


def test_one_that_registers_is_no_stranger_and_begins_anew(strangers: Strangers) -> None:
    judged(strangers, 0.0)
    assert judged(strangers, 1300.0, known=worker(pid=5000)) is None
    assert judged(strangers, 1400.0) is None


def test_one_whose_later_process_does_not_come_as_far_is_seen_as_its_earlier_life(
    strangers: Strangers,
) -> None:
    known = worker(pid=4000)
    judged(strangers, 0.0, known=known)
    found = strangers.judged(
        [MEMBER], {known.name: known}, 1300.0, host="shelf1", pipeline="books", limit=LIMIT, crashes=CRASHES
    )
    seen, verdict = found[MEMBER.name]
    assert seen.life == known.life and seen.uptime == 1300.0 and verdict.stuck


def test_one_that_starts_again_and_again_is_a_crash_loop(strangers: Strangers) -> None:
    verdicts = [judged(strangers, 60.0 * n, replace(MEMBER, restarts=n, pid=0)) for n in range(6)]
    assert [one is not None for one in verdicts] == [False] * 5 + [True]
    assert verdicts[-1] is not None and verdicts[-1].trouble is Trouble.CRASH_LOOP


def test_starts_that_are_far_apart_are_none(strangers: Strangers) -> None:
    for n in range(8):
        assert judged(strangers, 150.0 * n, replace(MEMBER, restarts=n)) is None


def test_a_start_by_hand_begins_anew(strangers: Strangers) -> None:
    for n in range(5):
        judged(strangers, 60.0 * n, replace(MEMBER, restarts=n))
    assert judged(strangers, 300.0, replace(MEMBER, restarts=0)) is None
    assert judged(strangers, 1400.0, replace(MEMBER, restarts=0)) is None


@pytest.mark.parametrize("member", [replace(MEMBER, enabled=False), replace(MEMBER, active=False)])
def test_one_that_is_not_to_run_or_does_not_run_is_none(strangers: Strangers, member: Member) -> None:
    assert judged(strangers, 0.0, member) is None and judged(strangers, 9000.0, member) is None

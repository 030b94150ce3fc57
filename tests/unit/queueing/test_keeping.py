"""By its own clock a worker knows what is still its own."""

from __future__ import annotations

from medialift.queueing.crew import Backoff
from medialift.queueing.keeping import Keeping
from medialift.queueing.leases import Lease, Renewed


class Now:
    """A clock that goes when it is told to; a machine that sleeps makes it go as well."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def kept(*leases: Lease) -> tuple[Keeping, Now]:
    now = Now()
    keeping = Keeping(ttl=120, margin=15, clock=now)
    keeping.take(leases, keeping.now())
    return keeping, now


A, B = Lease(1, "a", token=7), Lease(2, "b", token=7)


def test_a_lease_counts_as_lost_some_time_before_its_end() -> None:
    keeping, now = kept(A)
    now.seconds += 104
    assert keeping.held(A) and keeping.fence() == []
    now.seconds += 1
    assert not keeping.held(A)
    assert keeping.fence() == [A] and keeping.lost(A).is_set()
    assert keeping.fence() == []


def test_a_lease_counts_from_when_it_was_asked_for_not_from_the_answer() -> None:
    now = Now()
    keeping = Keeping(ttl=120, margin=15, clock=now)
    asked = keeping.now()
    now.seconds += 100
    keeping.take([A], asked)
    now.seconds += 5
    assert not keeping.held(A)


def test_a_renewal_prolongs_and_one_that_is_refused_ends_it() -> None:
    keeping, now = kept(A, B)
    now.seconds += 60
    assert keeping.renewed([A, B], Renewed(frozenset({1}), frozenset({1})), keeping.now()) == [B]
    assert keeping.held(A) and keeping.cancelled(A) and not keeping.held(B)
    now.seconds += 100
    assert keeping.held(A)


def test_a_lease_that_was_lost_stays_lost_even_if_a_late_answer_prolongs_it() -> None:
    keeping, now = kept(A)
    now.seconds += 110
    keeping.fence()
    keeping.renewed([A], Renewed(frozenset({1}), frozenset()), now.seconds)
    assert not keeping.held(A) and keeping.to_renew() == []


def test_an_item_that_was_claimed_again_is_another_lease() -> None:
    keeping, _ = kept(A)
    again, before = Lease(1, "a", token=8), keeping.lost(A)
    keeping.take([again], keeping.now())
    assert before.is_set()
    assert keeping.held(again) and not keeping.held(A) and keeping.lost(A).is_set()
    keeping.drop(A)
    assert keeping.unended([A, again]) == [again]


def test_the_wait_before_another_attempt_doubles_with_jitter_up_to_the_longest() -> None:
    backoff = Backoff(2.0, 20.0)
    waits = [[backoff.after(attempt) for _ in range(50)] for attempt in (1, 2, 3, 10)]
    for found, middle in zip(waits, (2, 4, 8, 20), strict=True):
        assert middle * 0.75 <= min(found) < max(found) <= middle * 1.25

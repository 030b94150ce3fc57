"""The store fails before, during and after a scan: home is untouched, and the same burst then succeeds."""

from __future__ import annotations

from random import Random

import pytest

from medialift.errors import MedialiftError, Permanent
from medialift.foundation import jobs
from tests.faults import catalogue
from tests.faults.lift import Instance, succeeds, unharmed

DOES = list(catalogue.STORE)


def marked(when: str) -> list[object]:
    return [
        pytest.param(does, marks=pytest.mark.fault(catalogue.store_fault(does, when)), id=does)
        for does in DOES
    ]


def fail(instance: Instance, does: str, fault_moment: int) -> None:
    """From now on the store fails: all of it in the short form, only its films in some of the long one."""
    match = r"/Movies/.*mkv" if fault_moment % 2 else ""
    after = 0 if does == "refuses" else Random(fault_moment).randrange(1000)
    instance.store.faults.add(catalogue.STORE[does], match, after_bytes=after)


def heals(instance: Instance, does: str) -> None:
    """The store is well again; it was ill meanwhile."""
    counted = instance.store.faults.counters()["by_action"]
    instance.store.faults.clear()
    instance.store.faults.reset_counters()
    assert does == "refuses" or counted.get(catalogue.STORE[does], 0) > 0, counted


@pytest.mark.parametrize("does", marked("before"))
def test_a_store_that_fails_before_a_scan(instance: Instance, does: str, fault_moment: int) -> None:
    fail(instance, does, fault_moment)
    status = instance.scan()
    heals(instance, does)
    assert status.state == jobs.FAILED
    unharmed(instance, status)
    succeeds(instance)


@pytest.mark.parametrize("does", marked("during"))
def test_a_store_that_fails_during_a_scan(instance: Instance, does: str, fault_moment: int) -> None:
    instance.plex.switch(seconds_per_file=0.3)
    into = Random(fault_moment).random() * 2
    with instance.when("scan Movies", lambda: fail(instance, does, fault_moment), after=into):
        status = instance.scan()
    heals(instance, does)
    unharmed(instance, status)
    if status.state == jobs.FAILED:
        # What the instance has now is brought out all the same, and home takes none of it.
        quarantined = instance.export(status, quarantine=("the run failed",))
        assert quarantined.quarantined and instance.home.refuses(quarantined.archives[0])
    else:
        assert status.value["outcome"] == "quarantined" or fault_moment
    instance.plex.switch(seconds_per_file=0)
    succeeds(instance)


@pytest.mark.parametrize("does", marked("after"))
def test_a_store_that_fails_after_a_scan(instance: Instance, does: str, fault_moment: int) -> None:
    status = instance.scan()
    assert status.state == jobs.OK, status.error
    instance.store.faults.add(catalogue.STORE[does], after_bytes=Random(fault_moment).randrange(500))
    with pytest.raises(MedialiftError):
        instance.export(status)
    # Nor does home get anywhere with a store in that state.
    with pytest.raises(MedialiftError):
        instance.home.comes_home()
    heals(instance, does)
    assert instance.home.untouched()
    # What the failed export left is taken for no archive: there is none yet.
    with pytest.raises(Permanent):
        instance.home.newest()
    instance.export(status)
    assert instance.home.comes_home()

"""The controller dies while it makes an instance, the cloud takes one away, two controllers want one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from medialift.cloud import instances, removal
from medialift.foundation.waiting import wait_until
from sandbox.settings import ROOT
from tests.cloud_world import CREDENTIALS, CloudWorld, make_cloud_world
from tests.faults import catalogue

# What the module `scaleway_instance` does, in a process that can be killed.
MAKE = """
import json, sys
from medialift.cloud import instances
from medialift.cloud.scaleway import Scaleway
account, options = json.loads(sys.argv[1])
made, _ = instances.present(Scaleway(instances.account_from(account)), instances.wanted_from(options))
print(made.id)
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CloudWorld]:
    yield from make_cloud_world(tmp_path)


def controller(world: CloudWorld) -> subprocess.Popen[str]:
    given = json.dumps([{**CREDENTIALS, "api_url": world.url}, world.options])
    return subprocess.Popen(
        [sys.executable, "-c", MAKE, given],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def one_instance(world: CloudWorld) -> bool:
    """Whether there is one server with what belongs to it, and nothing else that costs money."""
    there = world.inventory()
    return (there["servers"], there["ips"], there["block"], len(world.boot.running())) == (1, 1, 1, 1)


def mine(world: CloudWorld) -> int:
    """How many requests changed something."""
    return sum(world.requests(verb) for verb in ("POST", "PUT", "PATCH", "DELETE"))


@pytest.mark.fault(catalogue.CONTROLLER)
@pytest.mark.parametrize("requests", [1, 3, 5, 7])
def test_killed_while_it_makes_an_instance_the_next_run_has_one_and_no_second(
    world: CloudWorld, requests: int, fault_moment: int
) -> None:
    requests = Random(fault_moment).randrange(1, 9) if fault_moment else requests
    first = controller(world)
    assert wait_until(lambda: mine(world) >= requests or first.poll() is not None, at_most=30, every=0.002)
    first.kill()
    first.communicate()
    made, _ = instances.present(world.client(), world.wanted())
    assert one_instance(world), world.inventory()
    assert instances.plan_present(world.client(), world.wanted()).changes == 0
    assert made.state == "running"
    removal.absent(world.client(), "burst", world.wanted().offers, poll=0.05)
    assert world.is_empty()


@pytest.mark.fault(catalogue.INSTANCE_MID_SCAN)
@pytest.mark.parametrize("how", ["terminate", "poweroff"])
def test_an_instance_that_the_cloud_took_away_is_had_again_and_costs_nothing_twice(
    world: CloudWorld, how: str
) -> None:
    gone, _ = instances.present(world.client(), world.wanted())
    world.client().instance.server_action(server_id=gone.id, zone=gone.zone, action=how)
    again, done = instances.present(world.client(), world.wanted())
    assert done and (again.id == gone.id) == (how == "poweroff")
    # The disk of the lost one is left, and goes with the new one at the latest.
    assert world.inventory()["servers"] == 1
    removal.absent(world.client(), "burst", world.wanted().offers, poll=0.05)
    assert world.is_empty()


@pytest.mark.fault(catalogue.TWO_BURSTS)
def test_two_controllers_that_want_the_instance_at_the_same_moment_get_the_same_one(
    world: CloudWorld, fault_moment: int
) -> None:
    both = [controller(world), controller(world)]
    told = [one.communicate(timeout=60)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0], told
    assert told[0] == told[1]
    assert one_instance(world), world.inventory()

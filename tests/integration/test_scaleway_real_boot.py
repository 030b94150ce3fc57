"""An instance of the sandbox that really boots: systemd, cloud-init and sshd in a container."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from medialift.cloud import instances
from medialift.cloud.scaleway import Scaleway
from sandbox.scaleway.boot import machine_name
from sandbox.settings import Settings
from tests.cloud_world import CREDENTIALS

NAME = "integration"


@pytest.fixture
def cloud() -> Iterator[Scaleway]:
    client = Scaleway(instances.account_from({**CREDENTIALS, "api_url": Settings.load().scaleway_url}))
    instances.absent(client, NAME, timeout=60, poll=0.2)
    yield client
    instances.absent(client, NAME, timeout=60, poll=0.2)


def containers(server_id: str) -> str:
    command = ["docker", "ps", "--all", "--quiet", "--filter", f"name={machine_name(server_id)}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


@pytest.mark.sandbox
@pytest.mark.xdist_group("sandbox")
def test_it_boots_keeps_its_key_and_its_disk_over_a_power_cycle_and_goes(
    cloud: Scaleway, tmp_path: Path
) -> None:
    settings = Settings.load()
    wanted = instances.wanted_from(
        {
            "name": NAME,
            "offers": [{"zone": "fr-par-3", "commercial_type": "PLAY2-NANO"}],
            "authorized_keys": [Path(f"{settings.ssh_key}.pub").read_text()],
            "private_key_file": str(settings.ssh_key),
            "cloud_config": {"runcmd": ["echo booted >> /root/boots"]},
            "timeout": "90s",
            "poll": "200ms",
        }
    )
    made, _ = instances.present(cloud, wanted)
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text(f"{made.known_hosts}\n")

    def on_it(command: str) -> str:
        argv = [
            *(
                "ssh",
                "-F",
                "/dev/null",
                "-i",
                str(settings.ssh_key),
                "-o",
                f"UserKnownHostsFile={known_hosts}",
            ),
            *(
                "-o",
                "GlobalKnownHostsFile=/dev/null",
                "-o",
                "StrictHostKeyChecking=yes",
                "-o",
                "BatchMode=yes",
            ),
            *(f"root@{made.address}", command),
        ]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout.strip()

    assert on_it("hostname; cat /root/boots; systemctl is-system-running").split() == [
        NAME,
        "booted",
        "running",
    ]

    cloud.instance.server_action(server_id=made.id, zone=made.zone, action="poweroff")
    again, done = instances.present(cloud, wanted)
    assert (again.host_key, done) == (made.host_key, ("power on",))
    # The same disk: what runs once per instance did not run again.
    assert on_it("cat /root/boots") == "booted"

    instances.absent(cloud, NAME, timeout=60, poll=0.2)
    for _ in range(50):
        if not containers(made.id):
            break
        time.sleep(0.1)
    assert containers(made.id) == ""

"""Nothing that costs money is left, and nothing on the controller remembers it."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import account


def test_no_server_no_volume_no_address_no_group_is_left():
    assert account.servers() == []
    assert account.belongings() == {"ips": 0, "volumes": 0, "groups": 0}


def test_its_machine_is_gone(host):
    hostnames = host.check_output(
        "docker ps --all --quiet --filter label=medialift.sandbox=instance"
        " | xargs --no-run-if-empty docker inspect --format '{{.Config.Hostname}}'"
    )
    assert "molecule" not in hostnames.split()


def test_its_host_key_is_forgotten():
    known_hosts = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "known_hosts"
    assert known_hosts.read_text() == ""

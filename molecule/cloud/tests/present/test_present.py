"""One instance runs; it is known by its own host key, and told what it was to be told."""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import testinfra

sys.path.insert(0, str(Path(__file__).parents[1]))

import account

KNOWN_HOSTS = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "known_hosts"
KEY = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / ".cache/sandbox/ssh/id_ed25519"


@pytest.fixture(scope="module")
def server():
    (found,) = account.servers()
    return found


@pytest.fixture(scope="module")
def instance(server):
    """The instance over SSH, with nothing but the recorded host key."""
    return testinfra.get_host(
        f"ssh://root@{server.public_ips[0].address}",
        ssh_identity_file=str(KEY),
        ssh_extra_args=f"-o UserKnownHostsFile={KNOWN_HOSTS} -o GlobalKnownHostsFile=/dev/null "
        "-o StrictHostKeyChecking=yes",
    )


def test_there_is_one_server_with_its_belongings(server):
    assert (server.state, server.zone, server.commercial_type) == ("running", "fr-par-2", "PLAY2-MICRO")
    assert account.belongings() == {"ips": 1, "volumes": 2, "groups": 1}


def test_a_tag_says_when_it_ends(server):
    (said,) = [tag for tag in server.tags if tag.startswith("medialift-expires:")]
    left = datetime.fromisoformat(said.removeprefix("medialift-expires:")) - datetime.now(UTC)
    assert timedelta(minutes=45) < left <= timedelta(hours=1)
    assert "molecule" in server.tags


def test_it_is_the_machine_that_was_asked_for(instance):
    assert instance.check_output("hostname") == "molecule"
    assert instance.file("/etc/molecule").content_string == "told by cloud-init\n"
    assert instance.check_output("cloud-init status") == "status: done"


def test_its_only_host_key_is_the_one_that_was_injected(instance, server):
    (known,) = KNOWN_HOSTS.read_text().splitlines()
    public = instance.file("/etc/ssh/ssh_host_ed25519_key.pub").content_string.split()[1]
    assert known.split() == [server.public_ips[0].address, "ssh-ed25519", public]
    assert f"medialift-host-key:{public}" in server.tags


def test_nobody_else_may_log_in(instance):
    keys = instance.file("/root/.ssh/authorized_keys").content_string.split("\n")
    assert [key.split()[1] for key in keys if key] == [Path(f"{KEY}.pub").read_text().split()[1]]

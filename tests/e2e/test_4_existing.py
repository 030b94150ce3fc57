"""Chapter 4: a burst on a machine that is there already. Home gets its archive, and keeps what people did."""

import json

import pytest
import yaml

from medialift.cloud import cloudinit, hostkey
from sandbox.docker import docker
from sandbox.machines import Machine, UserData
from tests import burst_world
from tests.burst_world import SETTINGS, counts, home_plex, on_home, play, succeed

pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("sandbox")]
ADDRESS = SETTINGS.address(50)


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A Debian machine with an inventory that puts it into the group plex_burst."""
    folder = tmp_path_factory.mktemp("existing")
    key = hostkey.make()
    seed = UserData(
        instance_id="existing",
        hostname="existing",
        content=cloudinit.render(
            hostname="existing",
            host_key=key,
            authorized_keys=[SETTINGS.ssh_key.with_suffix(".pub").read_text().strip()],
            extra={},
        ),
    )
    (folder / "known_hosts").write_text(key.known_hosts(ADDRESS) + "\n")
    host = {
        "ansible_host": ADDRESS,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(SETTINGS.ssh_key),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={folder}/known_hosts",
    }
    (folder / "hosts.yml").write_text(
        yaml.safe_dump({"all": {"children": {"plex_burst": {"hosts": {"existing": host}}}}})
    )
    machine = Machine.start("medialift-existing", ADDRESS, seed, settings=SETTINGS)
    try:
        machine.wait_for_ssh()
        machine.wait_for_boot()
        yield folder
    finally:
        machine.remove(SETTINGS)


@pytest.fixture(scope="module")
def burst(delta, machine):
    """A burst of two sections, whose archive goes into the store and home."""
    artifacts = machine / "artifacts"
    played = succeed(
        "plex_burst",
        artifacts=artifacts,
        inventories=(machine / "hosts.yml",),
        variables={
            "burst_provider": "existing",
            "plex_burst_sections": ["Movies", "Music"],
            "plex_burst_destinations": ["store", "home"],
        },
    )
    return played, json.loads((artifacts / "report.json").read_text())


def test_nothing_was_provisioned_and_only_the_chosen_sections_were_worked_on(burst):
    played, report = burst
    assert report["outcome"] == "ok"
    assert report["instance"] is None
    assert burst_world.nothing_is_rented()
    assert burst_world.cloud()["security_groups"] == 0
    grew = {s["name"] for s in report["sections"] if s["items_after"] > s["items_before"]}
    assert grew == {"Movies", "Music"}
    assert "TV Shows: " in played.output


def test_the_machine_is_clean_afterwards(burst):
    there = docker(
        *("exec", "medialift-existing", "sh", "-c"),
        "docker ps --all --quiet; cd /var/lib/medialift; ls /srv/medialift-burst outgoing jobs 2>&1"
        "; systemctl is-active plex.service || true",
    )
    assert "plex-run" not in there and "tar.zst" not in there and "Library" not in there, there
    assert there.splitlines()[-1] == "inactive"


def test_the_archive_is_in_the_store_and_at_home_and_is_the_same(burst):
    _, report = burst
    stored = [key for key in burst_world.archives("burst/") if key.endswith(".tar.zst")]
    assert len(stored) >= 2
    told = on_home("cd /var/lib/medialift/incoming/burst && sha256sum *.tar.zst")
    assert told.stdout.split()[0] == report["archive"]["sha256"], told.stderr


def test_an_import_refuses_to_lose_what_people_did_since(burst, tmp_path):
    before = counts(home_plex())
    film = next(film for film in home_plex().library.section("Movies").all() if not film.isPlayed)
    film.markPlayed()
    refused = play("plex_import", artifacts=tmp_path)
    assert refused.code != 0
    assert "Views, ratings or settings at home changed since the export" in refused.folded
    assert "accept_loss" in refused.folded
    assert counts(home_plex()) == before
    assert home_plex().library.section("Movies").get(film.title).isPlayed


def test_it_goes_through_when_the_loss_is_accepted(burst, tmp_path):
    _, report = burst
    succeed("plex_import", artifacts=tmp_path, variables={"plex_import_accept_loss": True})
    served = counts(home_plex())
    for section in report["sections"]:
        assert served[section["name"]] == section["items_after"], section

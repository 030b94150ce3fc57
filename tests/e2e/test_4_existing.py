"""Chapter 4: a burst on a machine that is there already. Home gets its archive, and keeps what people did.

While the machine scans, its mount hangs: rclone is frozen, so that systemd sees nothing to restart.
"""

import json

import pytest
import yaml

from medialift.cloud import cloudinit, hostkey
from medialift.foundation.waiting import wait_until
from sandbox.docker import docker
from sandbox.machines import Machine, UserData
from tests import burst_world
from tests.burst_world import SETTINGS, Played, counts, home_plex, on_home, play, start, succeed

pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("sandbox")]
ADDRESS = SETTINGS.address(50)
# As the sandbox's inventory sets it: what is given here stands in its place.
PACE = {"poll": 0.4, "quiet_polls": 6, "analyse_start": 3}


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
    """A burst of two sections, whose archive goes into the store and home; its mount hangs in mid-scan."""
    artifacts = machine / "artifacts"
    played = start(
        "plex_burst",
        artifacts=artifacts,
        inventories=(machine / "hosts.yml",),
        variables={
            "burst_provider": "existing",
            "plex_burst_sections": ["Movies", "Music"],
            "plex_burst_destinations": ["store", "home"],
            "plex_burst_times": {**PACE, "mount": 10, "probe_every": 1, "probe_failures": 1, "cease": 10},
        },
    )
    with played:
        assert wait_until(lambda: frozen() or played.poll() is not None, at_most=500, every=0.1)
        output, _ = played.communicate(timeout=500)
    assert played.returncode == 0, output[-6000:]
    return Played(played.returncode, output), json.loads((artifacts / "report.json").read_text())


def frozen():
    """Whether the first section is being scanned; then the program behind the mount stands still."""
    return docker(
        *("exec", "medialift-existing", "sh", "-c"),
        "grep -qs '\"scan Movies\"' /var/lib/medialift/jobs/plex-run-*/journal.jsonl || exit 0"
        "; systemctl kill --signal STOP rclone-media.service && echo frozen",
    )


def test_nothing_was_provisioned_and_only_the_chosen_sections_were_worked_on(burst):
    played, report = burst
    assert report["outcome"] == "ok"
    assert report["instance"] is None
    assert burst_world.nothing_is_rented()
    assert burst_world.cloud()["security_groups"] == 0
    grew = {s["name"] for s in report["sections"] if s["items_after"] > s["items_before"]}
    assert grew == {"Movies", "Music"}
    assert "TV Shows: " in played.output


def test_the_mount_that_hung_was_brought_back_and_the_section_scanned_again(burst, machine, tmp_path):
    found = burst_world.logs(machine / "artifacts", tmp_path / "logs")
    [result] = [
        json.loads(text)
        for name, text in found.members.items()
        if "/plex-run-" in name and name.endswith("/result.json")
    ]
    mounts = result["value"]["mounts"]
    assert [recovery["healed"] for recovery in mounts["recoveries"]] == [True], mounts
    # A frozen program that is told to end by systemd is woken for it.
    steps = [step["step"] for step in mounts["recoveries"][0]["steps"]]
    assert steps == ["stop consumers", "terminate", "detach", "start", "probe", "resume"], mounts
    assert [probe["state"] for probe in mounts["ill"]][:1] == ["hung"], mounts["ill"]


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

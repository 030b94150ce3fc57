"""The options of an instance: what they mean, and what is refused before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from medialift.cloud import cloudinit, hostkey, tags
from medialift.cloud.wanted import Offer, wanted_from
from medialift.errors import Permanent

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJVksgxllT/3IaJRj45Hk0/67T42PaN/mmVkbEi9Zys0 me"
OPTIONS = {
    "name": "burst",
    "offers": [{"zone": "fr-par-1", "commercial_type": "PRO2-S"}],
    "authorized_keys": [KEY],
}


def test_sizes_and_durations_are_read_as_people_write_them() -> None:
    wanted = wanted_from(
        {
            **OPTIONS,
            "root_volume": {"size": "80 GB"},
            "lifetime": "1h30m",
            "timeout": "90",
            "ssh_port": "2222",
        }
    )
    assert wanted.offers == (Offer("fr-par-1", "PRO2-S"),)
    assert (wanted.root_volume.size, wanted.lifetime) == (80_000_000_000, 5400.0)
    assert (wanted.timeout, wanted.ssh_port) == (90.0, 2222)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"offers": []}, "No zone and type"),
        ({"offers": [{"zone": "Paris", "commercial_type": "PRO2-S"}]}, "Paris"),
        ({"name": "My Burst"}, "My Burst"),
        ({"name": ""}, "(empty)"),
        ({"name": "a,b"}, "a,b"),
        ({"authorized_keys": []}, "No SSH key"),
        ({"authorized_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]}, "not a public SSH key"),
        ({"private_key_file": "/nowhere/id"}, "/nowhere/id"),
        ({"cloud_config": {"users": []}}, "users"),
        ({"root_volume": {"size": "big"}}, "not a size"),
        ({"lifetime": "soon"}, "not a duration"),
        ({"extra_volumes": [{"name": "a", "size": "1 GB"}, {"name": "a", "size": "2 GB"}]}, "same name"),
        ({"extra_volumes": [{"name": "root", "size": "1 GB"}]}, "root"),
        ({"extra_volumes": [{"name": "a", "size": "1 GB", "type": "l_ssd"}]}, "block volumes"),
    ],
)
def test_bad_options_are_refused_with_what_is_wrong(change: dict[str, object], said: str) -> None:
    with pytest.raises(Permanent) as refused:
        wanted_from({**OPTIONS, **change})
    assert said in str(refused.value)


def test_the_private_key_may_start_at_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "id").write_text("x")
    assert wanted_from({**OPTIONS, "private_key_file": "~/id"}).private_key == tmp_path / "id"


def test_user_data_carry_the_host_key_and_nothing_may_undo_it() -> None:
    key = hostkey.make()
    content = cloudinit.render(
        hostname="burst", host_key=key, authorized_keys=[KEY], extra={"packages": ["jq"]}
    )
    assert content.startswith(b"#cloud-config\n")
    config = yaml.safe_load(content)
    assert config["ssh_keys"] == {"ed25519_private": key.private, "ed25519_public": key.public}
    assert config["users"] == [{"name": "root", "ssh_authorized_keys": [KEY]}]
    assert (config["packages"], config["ssh_deletekeys"], config["disable_root"]) == (["jq"], True, False)
    assert key.private not in repr(key)


def test_a_host_key_is_known_again_from_its_tag() -> None:
    key = hostkey.make()
    again = tags.host_key_of(["x", tags.host_key(key)])
    assert again is not None
    assert (again.public, again.private, again.fingerprint) == (key.public, "", key.fingerprint)
    assert again.known_hosts("192.0.2.1") == f"192.0.2.1 {key.public}"
    assert again.known_hosts("192.0.2.1", 2222) == f"[192.0.2.1]:2222 {key.public}"
    assert hostkey.make().public != key.public


def test_an_expiry_tag_that_is_no_time_is_refused() -> None:
    assert (
        tags.expiry_of(["medialift-expires:2026-11-21T08:00:00Z"]).isoformat() == "2026-11-21T08:00:00+00:00"
    )
    assert tags.expiry_of(["medialift:burst"]) is None
    with pytest.raises(Permanent, match="no time"):
        tags.expiry_of(["medialift-expires:tomorrow"])

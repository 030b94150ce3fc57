"""A profile gives a burst everything; whatever a person sets himself wins over it, one by one."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from medialift.foundation.units import parse_duration, parse_size
from medialift.plex import preferences
from medialift.plex.scan import Times
from sandbox.plex.preferences import CATALOGUE
from sandbox.scaleway import catalogue
from tests.profile_world import rendered

ROOT = Path(__file__).parents[2]
PROFILES = yaml.safe_load((ROOT / "playbooks/vars/profiles.yml").read_text())
NAMES = ["lite", "standard", "power", "superpower"]

MINE = {
    "medialift_profile": "power",
    "scaleway_instance_offers": [{"zone": "nl-ams-1", "commercial_type": "DEV1-L"}],
    "scaleway_instance_lifetime": "7d",
    "plex_burst_mount_profile": "lite",
    "rclone_mount_options": {"vfs-read-chunk-size": "256k"},
    "plex_burst_settings": {"GenerateIntroMarkerBehavior": "never"},
    "plex_burst_times": {"section": "10h", "whole": "6d"},
}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each profile gives, what one gives to whom sets things himself, and what nobody asked for."""
    machines = {name: {"medialift_profile": name} for name in NAMES}
    survey = {"medialift_profile": "", "plex_burst_mount_profile": "", "plex_burst_attach_timeout": "300"}
    return rendered(
        {**machines, "mine": MINE, "survey": survey},
        tmp_path_factory.mktemp("profiles"),
        everywhere={"plex_burst_times": {"poll": 0.4}},
    )


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a machine is given whose inventory says for all of them what the example says."""
    example = yaml.safe_load((ROOT / "inventories/example/group_vars/all.yml").read_text())
    said = {name: value for name, value in {**MINE, **example}.items() if "vault" not in str(value)}
    return {
        "said": said,
        "given": rendered({"one": {}}, tmp_path_factory.mktemp("all"), everywhere=said)["one"],
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_gives_the_machine_its_disk_the_mount_plex_and_the_times(given, name):
    told, profile = given[name], PROFILES[name]
    assert told["offers"] == profile["instance"]["offers"]
    assert told["disk"] == told["root_volume_size"] == profile["instance"]["root_volume_size"]
    assert told["lifetime"] == profile["instance"]["lifetime"]
    assert told["mount_profile"] == profile["mount"] == name
    assert told["settings"] == profile["plex"]["settings"]
    assert told["times"] == {**profile["plex"]["times"], "poll": 0.4}


def test_there_are_the_four_and_a_larger_one_is_not_smaller_in_anything():
    assert list(PROFILES) == NAMES
    cores = [
        catalogue.TYPES[PROFILES[name]["instance"]["offers"][0]["commercial_type"]].ncpus for name in NAMES
    ]
    disks = [parse_size(PROFILES[name]["instance"]["root_volume_size"]) for name in NAMES]
    sections = [parse_duration(PROFILES[name]["plex"]["times"]["section"]) for name in NAMES]
    assert (cores, disks, sections) == (sorted(set(cores)), sorted(set(disks)), sorted(sections))


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_names_only_what_the_cloud_sells_and_plex_knows(name):
    for offer in PROFILES[name]["instance"]["offers"]:
        assert offer["commercial_type"] in catalogue.TYPES and offer["zone"] in catalogue.ZONES
    settings = PROFILES[name]["plex"]["settings"]
    wanted = preferences.lockdown(sonic=True, overrides=settings)
    assert set(settings) <= set(preferences.LOCKDOWN)
    for setting, value in settings.items():
        assert wanted[setting] == value
        assert str(value) in [one.split(":")[0] for one in CATALOGUE[setting].values.split("|")]


@pytest.mark.parametrize("name", NAMES)
def test_the_cache_of_the_mount_fits_on_the_disk_and_leaves_room_for_a_library(given, name):
    cache = [flag.split("=")[1] for flag in given[name]["mount_flags"] if "vfs-cache-max-size" in flag]
    used = parse_size(cache[0].replace("G", "GiB")) if cache else 0
    assert parse_size(given[name]["disk"]) - used >= 20_000_000_000


def test_the_limits_are_those_that_were_promised_and_the_reaper_comes_after_the_run(given):
    for name in NAMES:
        times = Times.of(given[name]["times"])
        assert (times.ready, times.sonic, times.whole) == (900, 72 * 3600, 72 * 3600)
        assert times.section >= 4 * 3600
        assert parse_duration(given[name]["lifetime"]) > times.whole
        assert given[name]["attach_looks"] * given[name]["attach_timeout"] > times.whole
    assert Times.of(given["standard"]["times"]).section == Times().section == 4 * 3600
    assert given["standard"]["ready_timeout"] == Times().ready == 900


def test_every_limit_of_a_run_is_told_with_its_default():
    page = (ROOT / "docs/plex-burst.md").read_text()
    table = page[page.index("| entry of `plex_burst_times`") : page.index("## While it runs")]
    rows = [row for row in table.splitlines() if row.startswith("| `")]
    told = {name: row for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert set(told) == {field.name for field in fields(Times)}
    for name, row in told.items():
        names = re.findall(r"`(\w+)`", row.split("|")[1])
        figures = row.split("|")[3].replace(" each", "").strip().split(", ")
        default = figures[names.index(name)] if len(figures) > 1 else figures[0]
        assert parse_duration(default) == getattr(Times(), name), name


def test_what_a_person_sets_wins_over_the_profile_and_only_that(given):
    mine, power = given["mine"], PROFILES["power"]
    assert mine["offers"] == MINE["scaleway_instance_offers"]
    assert mine["lifetime"] == "7d"
    assert mine["root_volume_size"] == power["instance"]["root_volume_size"]
    assert mine["mount_profile"] == "lite" and "--vfs-read-chunk-size=256k" in mine["mount_flags"]
    assert mine["settings"] == {**power["plex"]["settings"], "GenerateIntroMarkerBehavior": "never"}
    assert mine["times"] == {**power["plex"]["times"], "section": "10h", "whole": "6d"}
    # Whoever lets a run last longer does not have to think of how long it is waited for.
    assert mine["attach_looks"] * mine["attach_timeout"] > 6 * 86400


def test_an_answer_that_a_survey_left_empty_is_the_default(given):
    for name in ("offers", "disk", "mount_profile", "settings", "times", "lifetime"):
        assert given["survey"][name] == given["standard"][name]
    assert given["survey"]["attach_looks"] * 300 > 72 * 3600


def test_what_an_inventory_says_for_all_of_them_wins_too(everywhere):
    said, told = everywhere["said"], everywhere["given"]
    assert told["offers"] == said["scaleway_instance_offers"]
    assert told["mount_profile"] == "lite"
    assert told["settings"]["GenerateIntroMarkerBehavior"] == "never"
    assert told["times"]["whole"] == "6d"

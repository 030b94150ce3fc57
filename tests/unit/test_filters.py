"""The filters: what templates of the roles rely on."""

import importlib.util
import json
import tomllib
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError

ROOT = Path(__file__).parents[2]


def filters(file: str):
    spec = importlib.util.spec_from_file_location(f"filter_{file}", ROOT / "filter_plugins" / f"{file}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.FilterModule().filters()


ALL = {
    name: function
    for file in sorted(path.stem for path in (ROOT / "filter_plugins").glob("*.py"))
    for name, function in filters(file).items()
}


def test_every_filter_carries_the_projects_name_so_that_none_hides_one_of_ansibles():
    assert ALL and all(name.startswith("medialift_") for name in ALL)


# --- sizes and durations


def test_sizes_and_durations_are_read_as_people_write_them():
    assert ALL["medialift_bytes"]("20 GB") == 20_000_000_000
    assert ALL["medialift_seconds"]("1h30m") == 5400
    assert ALL["medialift_size"]("5370000000") == "5.37 GB"
    assert ALL["medialift_duration"]("75") == "1 min 15 s"


@pytest.mark.parametrize(("name", "value"), [("medialift_bytes", "20 apples"), ("medialift_seconds", "soon")])
def test_what_is_no_size_or_duration_is_an_error_that_says_what_to_write(name, value):
    with pytest.raises(AnsibleFilterError, match="Write"):
        ALL[name](value)


# --- path maps


def test_a_path_map_is_applied_and_turned_round():
    there = {"/library/media": "/cloud/media"}
    assert ALL["medialift_mapped_path"]("/library/media/Movies", there) == "/cloud/media/Movies"
    assert ALL["medialift_mapped_path"]("/library/mediator", there) == "/library/mediator"
    assert ALL["medialift_inverse_path_map"](there) == {"/cloud/media": "/library/media"}
    assert ALL["medialift_path_map"](there) == there


def test_a_wrong_path_map_is_refused_before_any_host_is_touched():
    with pytest.raises(AnsibleFilterError, match="not absolute"):
        ALL["medialift_path_map"]({"library": "/cloud"})


# --- mounts

MOUNTINFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:50 / /mnt/cloud/media ro,nosuid shared:9 - fuse.rclone medialift-media ro,user_id=0
41 22 0:51 / /mnt/with\\040space rw - tmpfs theirs rw
"""


def test_a_mount_is_found_at_its_place_and_nowhere_else():
    at = ALL["medialift_mount_at"]
    assert at(MOUNTINFO, "/mnt/cloud/media")["source"] == "medialift-media"
    assert at(MOUNTINFO, "/mnt/with space")["filesystem"] == "tmpfs"
    assert at(MOUNTINFO, "/mnt/cloud") == {}


def test_a_folder_on_a_private_mount_is_told_from_one_on_a_shared_mount():
    over = ALL["medialift_mount_over"]
    assert over(MOUNTINFO, "/mnt/cloud")["propagates"] is True
    assert over(MOUNTINFO, "/mnt/with space/x")["propagates"] is False


# --- the engine's settings


def test_our_settings_are_merged_and_the_users_stay():
    merged = ALL["medialift_daemon_merge"](
        {"debug": True, "bip": "10.0.0.1/24"}, {"bip": "172.29.0.1/24"}, {}
    )
    assert merged["settings"] == {"debug": True, "bip": "172.29.0.1/24"}


def test_a_setting_that_is_no_longer_wanted_gives_back_what_stood_there_before():
    merge = ALL["medialift_daemon_merge"]
    theirs = {"debug": True, "bip": "10.0.0.1/24"}
    first = merge(theirs, {"bip": "172.29.0.1/24", "data-root": "/data"}, {})
    second = merge(first["settings"], {"bip": "172.29.0.1/24"}, first["record"])
    assert second["settings"] == {"debug": True, "bip": "172.29.0.1/24"}
    assert merge(second["settings"], {}, second["record"])["settings"] == theirs


def test_a_setting_that_the_user_changed_after_us_is_left_alone():
    merge = ALL["medialift_daemon_merge"]
    first = merge({}, {"bip": "172.29.0.1/24"}, {})
    assert merge({"bip": "10.9.0.1/24"}, {}, first["record"])["settings"] == {"bip": "10.9.0.1/24"}


def test_merging_again_changes_nothing():
    merge, wanted = ALL["medialift_daemon_merge"], {"registry-mirrors": ["http://mirror:5000"]}
    first = merge({"debug": True}, wanted, {})
    assert merge(first["settings"], wanted, first["record"]) == first


@pytest.mark.parametrize("text", ["{", "[]", '"x"'])
def test_a_settings_file_that_is_no_json_object_is_refused_not_overwritten(text):
    with pytest.raises(AnsibleFilterError, match="Correct it or move it away"):
        ALL["medialift_daemon_file"](text)


def test_an_absent_settings_file_holds_nothing():
    assert ALL["medialift_daemon_file"]("") == {}


@pytest.mark.parametrize(
    ("before", "after", "reaction"),
    [
        ({"debug": True}, {"debug": True}, "none"),
        ({}, {"registry-mirrors": ["http://m:5000"]}, "reload"),
        ({}, {"registry-mirrors": ["http://m:5000"], "bip": "172.29.0.1/24"}, "restart"),
        ({"data-root": "/a"}, {}, "restart"),
    ],
)
def test_the_engine_is_restarted_only_for_what_it_cannot_reload(before, after, reaction):
    assert ALL["medialift_daemon_reaction"](before, after) == reaction


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "9:name=systemd:/docker/4f/init.scope\n8:pids:/docker/4f\n0::/docker/4f/init.scope\n",
            "/docker/4f/nested",
        ),
        ("0::/docker/4f/init.scope\n", "/docker/4f/nested"),
        ("0::/init.scope\n", ""),
        ("9:name=systemd:/init.scope\n0::/init.scope\n", ""),
    ],
)
def test_the_cgroup_for_a_nested_engine_lies_below_that_of_pid_1(text, expected):
    assert ALL["medialift_cgroup_below_init"](text) == expected


# --- TOML


def test_settings_written_as_toml_are_read_back_as_they_were():
    settings = {
        "store": {"bucket": "media", "secret_key": 'a"b\\c\nd\x7f€'},
        "mounts": {"points": ["/mnt/cloud/media", "/mnt/b"], "samples": 4, "deadline": 2.5},
        "plex": {"on": True, "nested": {"with space": [1, 2]}},
        "top": "level",
    }
    assert tomllib.loads(ALL["medialift_toml"](settings)) == settings


def test_a_setting_without_a_value_is_left_out_so_that_the_default_holds():
    assert tomllib.loads(ALL["medialift_toml"]({"plex": {"path_map": None, "unit": "x"}})) == {
        "plex": {"unit": "x"}
    }


def test_a_value_that_toml_cannot_hold_is_refused_without_showing_it():
    with pytest.raises(AnsibleFilterError) as error:
        ALL["medialift_toml"]({"store": {"key": object()}})
    assert "object" in str(error.value) and "0x" not in str(error.value)


# --- systemd


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["mount", "store:media", "/mnt/cloud/media"], "mount store:media /mnt/cloud/media"),
        (["/mnt/my cloud"], '"/mnt/my cloud"'),
        (["100%", "$HOME"], '"100%%" "$$HOME"'),
        (['say "x"\\'], '"say \\"x\\"\\\\"'),
        ([""], '""'),
    ],
)
def test_words_of_a_command_line_are_quoted_as_systemd_reads_them(words, line):
    assert ALL["medialift_unit_words"](words) == line


def test_paths_in_a_unit_keep_their_dollar_sign():
    assert ALL["medialift_unit_paths"](["/srv/$x", "/srv/50%"]) == '"/srv/$x" "/srv/50%%"'


def test_what_the_filters_return_can_be_handed_on_as_json():
    json.dumps(ALL["medialift_mount_at"](MOUNTINFO, "/mnt/cloud/media"))

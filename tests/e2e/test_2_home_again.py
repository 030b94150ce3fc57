"""Chapter 2: the same again at home changes nothing, and one command takes the import back."""

import pytest

from tests import burst_world
from tests.burst_world import counts, home_plex, on_home, play, succeed

pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("sandbox")]


def test_a_second_run_of_every_role_at_home_changes_nothing(delta, tmp_path):
    again = succeed("plex_home", artifacts=tmp_path)
    assert again.recap("home")["changed"] == 0, again.output


def test_check_mode_at_home_is_clean_and_touches_nothing(delta, tmp_path):
    before = burst_world.archives()
    for playbook in ("plex_home", "plex_export", "plex_import"):
        checked = play(playbook, artifacts=tmp_path, arguments=("--check", "--diff"))
        assert checked.code == 0, checked.output
    assert burst_world.archives() == before


def test_the_same_archive_again_is_not_imported_again(delta, tmp_path):
    again = succeed("plex_import", artifacts=tmp_path)
    assert "unchanged" in again.output
    assert again.of_task("Import the archive") == "ok", again.output


def test_one_command_at_home_brings_the_library_from_before_back(delta):
    rolled_back = on_home("/opt/medialift/current/bin/medialift plex rollback")
    assert rolled_back.returncode == 0, rolled_back.stdout + rolled_back.stderr
    served = counts(home_plex())
    for section in delta.report["sections"]:
        assert served[section["name"]] == section["items_before"], section
    assert burst_world.what_people_did(home_plex()) == delta.people


def test_what_a_person_took_back_is_not_imported_again_by_itself(delta, tmp_path):
    again = succeed("plex_import", artifacts=tmp_path)
    assert "rolled back by hand" in again.folded

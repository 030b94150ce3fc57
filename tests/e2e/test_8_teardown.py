"""Chapter 8: everything is taken away and the data stay; a home without us is told what would be done."""

import pytest

from sandbox import world
from tests import burst_world
from tests.burst_world import on_home, play, succeed

pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("sandbox")]
# The machines of the books have a chapter of their own, and are not there in this one.
HOME = {"arguments": ("--limit", "localhost,plex_home")}
DATA = "/srv/plex/config/Library/Application Support/Plex Media Server/Plug-in Support/Databases"


@pytest.fixture(scope="module")
def torn_down(delta, tmp_path_factory):
    """A home that was prepared, then torn down."""
    artifacts = tmp_path_factory.mktemp("teardown")
    world.up()
    if on_home("test -s '" + DATA + "/com.plexapp.plugins.library.db'").returncode != 0:
        succeed("plex_home", artifacts=artifacts)  # a chapter before took it back
    before = burst_world.archives()
    succeed("teardown", artifacts=artifacts, **HOME)
    return artifacts, before


def test_units_containers_and_runtime_are_gone(torn_down):
    for unit in ("plex.service", "rclone-media.service", "medialift-plex-pull.timer"):
        assert on_home(f"systemctl cat {unit}").returncode != 0, unit
    assert on_home("docker ps --all --quiet").stdout == ""
    assert on_home("find /opt/medialift /opt/rclone /etc/medialift /etc/rclone -not -type d").stdout == ""
    assert on_home("findmnt --types fuse.rclone").stdout == ""


def test_the_library_and_the_archives_are_kept(torn_down):
    _, before = torn_down
    assert on_home(f"test -s '{DATA}/com.plexapp.plugins.library.db'").returncode == 0
    assert burst_world.archives() == before


def test_a_second_teardown_changes_nothing(torn_down):
    again = succeed("teardown", artifacts=torn_down[0], **HOME)
    assert again.recap("home")["changed"] == 0, again.output


@pytest.mark.parametrize("playbook", ["plex_home", "plex_export", "plex_import"])
def test_check_mode_is_clean_on_a_home_that_never_saw_us(fresh, tmp_path, playbook):
    checked = play(playbook, artifacts=tmp_path, arguments=("--check", "--diff"))
    assert checked.code == 0, checked.output[-6000:]
    assert on_home(
        "test -e /opt/medialift || test -e /etc/medialift || test -e /etc/docker/daemon.json"
    ).returncode


@pytest.fixture(scope="module")
def fresh(torn_down):
    """The first day: nothing at home, nothing in the store."""
    world.reset()

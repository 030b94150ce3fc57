"""Home can export, import and pull by itself, and keeps its trash."""

from xml.etree import ElementTree


def test_plex_never_empties_its_trash_by_itself(host):
    # The server answers "still starting up" for a while after a start.
    ask = "curl --silent --fail --retry 60 --retry-delay 1 --retry-all-errors"
    answer = ElementTree.fromstring(host.check_output(f"{ask} http://127.0.0.1:32400/:/prefs"))
    (found,) = answer.findall("Setting[@id='autoEmptyTrash']")
    assert found.get("value") in ("0", "false")


def test_the_settings_hold_the_store_and_where_plex_is(host):
    read = (
        "from medialift import settings; s = settings.load().settings; "
        "print(s.store.bucket, s.plex.unit, s.plex.keep_rollbacks, s.plex.path_map)"
    )
    said = host.check_output("/opt/medialift/current/bin/python -c %s", read)
    assert said == "molecule plex.service 3 /etc/medialift/path_map.json"
    assert host.file("/etc/medialift/medialift.toml").mode == 0o600


def test_the_path_map_is_one_that_the_runtime_reads(host):
    read = (
        "from pathlib import Path; from medialift.plex.paths import PathMap; "
        "print(PathMap.load(Path('/etc/medialift/path_map.json')).map('/library/media/Movies'))"
    )
    assert host.check_output("/opt/medialift/current/bin/python -c %s", read) == "/cloud/media/Movies"


def test_the_timer_waits_for_its_time(host):
    timer = host.service("medialift-plex-pull.timer")
    assert timer.is_running and timer.is_enabled
    assert host.check_output(
        "systemctl show medialift-plex-pull.timer --property NextElapseUSecRealtime --value"
    )


def test_a_pull_ran_the_playbook_with_its_variables(host):
    assert host.file("/root/pulled").content_string == "from the variables of the pull"
    assert host.file("/etc/medialift/pull/variables.yml").mode == 0o600


def test_the_ansible_of_the_pull_is_the_pinned_one(host):
    assert "core 2.19.14" in host.check_output("/opt/medialift/pull/current/bin/ansible --version")

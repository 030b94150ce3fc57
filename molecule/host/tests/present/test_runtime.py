"""The runtime is installed as a release that can be switched."""

import re


def test_current_points_at_the_venv_of_a_release(host):
    current = host.file("/opt/medialift/current")
    assert current.is_symlink
    assert re.fullmatch(r"/opt/medialift/releases/\d+\.\d+\.\d+\+[0-9a-f]{12}/venv", current.linked_to)


def test_the_installed_package_knows_which_release_it_is(host):
    release = host.file("/opt/medialift/current").linked_to.split("/")[-2]
    asked = "from importlib.metadata import version; print(version('medialift'))"
    assert host.check_output("/opt/medialift/current/bin/python -c %s", asked) == release


def test_every_room_of_the_package_can_be_imported_there(host):
    # The script of the migrations is no module: Alembic runs it, in a context that only Alembic has.
    code = (
        "import importlib, pkgutil, medialift\n"
        "for found in pkgutil.walk_packages(medialift.__path__, 'medialift.'):\n"
        "    if found.name != 'medialift.queueing.migrations.env':\n"
        "        importlib.import_module(found.name)\n"
    )
    host.check_output("/opt/medialift/current/bin/python -c %s", code)


def test_the_settings_are_roots_alone_and_hold_what_was_given(host):
    file = host.file("/etc/medialift/medialift.toml")
    assert (file.mode, file.user) == (0o600, "root")
    read = "from medialift import settings; print(settings.load().settings.store.bucket)"
    assert host.check_output("/opt/medialift/current/bin/python -c %s", read) == "molecule"


def test_systemd_accepts_the_unit_of_the_jobs(host):
    assert host.run("systemd-analyze verify medialift-job@x.service").rc == 0
    assert host.file("/var/lib/medialift/jobs").mode == 0o700

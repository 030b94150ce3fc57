"""The program as a person calls it: what it prints, what it writes, how it ends."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from medialift.cli.app import app
from medialift.foundation import jobs
from sandbox.plex.builder import LibraryBuilder
from tests.logs_world import Opened


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith(("MEDIALIFT_", "SCW_")):
            monkeypatch.delenv(name)


class Host:
    """A home with a settings file, a Plex data folder with a real library, and a folder of jobs."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "Plex Media Server"
        self.jobs = folder / "jobs"
        self.file = folder / "medialift.toml"
        self.jobs.mkdir()
        with LibraryBuilder.in_folder(self.data) as library:
            movies = library.add_section("Movies", "movie", "/library/media/Movies")
            library.add_movie(movies, "/library/media/Movies/Heat (1995)/Heat.mkv", year=1995)
            library.add_movie(movies, "/library/media/Movies/Ran (1985)/Ran.mkv", year=1985)
            music = library.add_section("Music", "artist", "/library/media/Music")
            library.add_track(music, "/library/media/Music/A/B/1.mp3", "A", "B")
            self.database = library.path
        self.configure()

    def configure(self, more: str = "") -> None:
        self.file.write_text(
            f'[plex]\ndata = "{self.data}"\n[jobs]\nfolder = "{self.jobs}"\n'
            f'[store]\nsecret_key = "very-secret-key"\n{more}'
        )
        self.file.chmod(0o600)

    def __call__(self, *arguments: str, code: int = 0):
        result = CliRunner().invoke(app, ["--config", str(self.file), *arguments])
        assert result.exit_code == code, f"{result.exit_code}: {result.output}\n{result.exception!r}"
        return result

    def json(self, *arguments: str, code: int = 0):
        return json.loads(self(*arguments, "--json", code=code).stdout)


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_sections_are_counted_from_the_database(host):
    [movies, music] = host.json("plex", "sections")
    assert (movies["name"], movies["items"], movies["leaves"]) == ("Movies", 2, 2)
    assert (music["type"], music["leaves"], music["sonic_total"]) == ("artist", 1, 1)


def test_without_a_terminal_a_table_is_plain_lines_parted_by_tabs(host):
    lines = host("plex", "sections").stdout.splitlines()
    assert lines[0].split("\t")[:3] == ["section", "type", "items"]
    assert lines[1].split("\t")[:4] == ["Movies", "movie", "2", "2"]
    assert "\x1b" not in "".join(lines)


def test_json_may_be_asked_for_anywhere_on_the_line(host):
    everywhere = [
        ["--json", "plex", "sections"],
        ["plex", "--json", "sections"],
        ["plex", "sections", "--json"],
    ]
    answers = [
        json.loads(CliRunner().invoke(app, ["--config", str(host.file), *line]).stdout) for line in everywhere
    ]
    assert answers[0] == answers[1] == answers[2]


def test_a_remap_is_counted_then_done_and_can_be_undone(host, tmp_path):
    (tmp_path / "map.json").write_text('{"mappings": {"/library/media": "/cloud/media"}}')
    counted = host.json("plex", "remap", "--map", str(tmp_path / "map.json"), "--dry-run")
    assert counted["changes"] == 5
    assert counted["applied"] is None
    done = host.json("plex", "remap", "--map", str(tmp_path / "map.json"))
    assert done["applied"]["changes"] == 5
    assert host.json("plex", "sections")[0]["locations"] == ["/cloud/media/Movies"]
    host("plex", "remap", "--map", str(tmp_path / "map.json"), "--inverse")
    assert host.json("plex", "sections")[0]["locations"] == ["/library/media/Movies"]


def test_a_malformed_map_is_bad_input_told_in_three_sentences(host, tmp_path):
    (tmp_path / "map.json").write_text('{"library/media": "/cloud/media"}')
    result = host("plex", "remap", "--map", str(tmp_path / "map.json"), code=2)
    assert "library/media" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 3
    error = host.json("plex", "remap", "--map", str(tmp_path / "map.json"), code=2)["error"]
    assert set(error) == {"kind", "what", "subject", "hint"}


def test_a_library_that_is_open_elsewhere_is_refused_with_its_own_exit_code(host, tmp_path):
    (tmp_path / "map.json").write_text('{"/library/media": "/cloud/media"}')
    program = (
        "import sqlite3, sys, time\n"
        "con = sqlite3.connect(sys.argv[1])\n"
        "con.execute('select 1 from tags')\n"
        "print('open', flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(host.database)], stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        try:
            result = host("plex", "remap", "--map", str(tmp_path / "map.json"), code=3)
        finally:
            other.kill()
    assert "Stop Plex" in result.stderr


def test_wrong_settings_are_bad_input_and_name_every_fault(host):
    host.configure('bukcet = "x"\n[mounts]\ndeadline = "soon"')
    result = host("plex", "sections", code=2)
    assert "did you mean 'bucket'" in result.stderr
    assert "mounts.deadline" in result.stderr


def test_config_check_warns_of_a_file_that_others_can_read(host):
    assert host.json("config", "check")["warnings"] == []
    host.file.chmod(0o644)
    assert "chmod 600" in host("config", "check").stdout


def test_config_explain_shows_every_setting_its_origin_and_no_secret(host):
    explained = {item["name"]: item for item in host.json("config", "explain")}
    assert explained["plex.data"]["origin"] == str(host.file)
    assert explained["store.region"]["origin"] == "default"
    printed = host("config", "explain").stdout
    assert "very-secret" not in printed
    assert "store.secret_key\t(set, not shown)" in printed


def test_the_example_settings_are_settings(host, tmp_path):
    text = host("config", "example").stdout
    (tmp_path / "example.toml").write_text(
        "\n".join(
            line.removeprefix("#")
            for line in text.splitlines()
            if (" = " in line and not line.startswith("# ")) or line.startswith("[")
        )
    )
    (tmp_path / "example.toml").chmod(0o600)
    result = CliRunner().invoke(
        app, ["--config", str(tmp_path / "example.toml"), "config", "explain", "--json"]
    )
    told = {item["name"]: item for item in json.loads(result.stdout)}
    assert all(item["origin"] == str(tmp_path / "example.toml") for item in told.values())
    assert all(item["value"] == item["default"] for item in told.values() if item["default"] is not None)


def test_a_mount_that_reads_is_healthy_and_one_that_is_not_there_fails(host, tmp_path):
    (tmp_path / "media/Movies").mkdir(parents=True)
    (tmp_path / "media/Movies/a.mkv").write_bytes(os.urandom(200_000))
    [verdict] = host.json("mounts", "probe", str(tmp_path / "media"), "--any-filesystem")
    assert verdict["state"] == "healthy"
    assert verdict["reads"][0]["ok"]
    assert "absent" in host("mounts", "probe", str(tmp_path / "media"), code=1).stdout


def test_a_mount_check_without_a_mount_says_where_to_name_one(host):
    assert "mounts.points" in host("mounts", "probe", code=2).stderr


def test_a_job_that_does_not_exist_is_bad_input_that_lists_those_that_do(host):
    jobs.submit(host.jobs / "burst-1", "plex-run", {})
    result = host("job", "status", "burst-2", code=2)
    assert "burst-1" in result.stderr


def test_a_job_runs_fails_and_is_shown_with_its_error(host):
    jobs.submit(host.jobs / "burst-1", "plex-run", {"nonsense": True})
    host("job", "run", str(host.jobs / "burst-1"), code=1)
    status = host.json("job", "status", "burst-1", code=1)
    assert status["state"] == "failed"
    assert "option of the run is wrong" in status["error"]["what"]
    assert host.json("job", "list")["burst-1"]["state"] == "failed"
    assert "failed" in host("job", "follow", "burst-1", code=1).stdout


def test_a_run_with_a_wrong_option_is_refused_before_anything_is_written(host, tmp_path):
    (tmp_path / "run.yml").write_text("sectoins: [Movies]\n")
    assert (
        "sectoins" in host("plex", "run", "--arguments", str(tmp_path / "run.yml"), "--here", code=2).stderr
    )
    assert list(host.jobs.iterdir()) == []


def test_a_scan_of_a_server_that_is_not_there_ends_as_a_failed_job(host):
    host.configure()
    run = ["plex", "run", "--here", "--arguments", str(host.data / "run.json")]
    arguments = {
        "server": {"url": "http://127.0.0.1:9", "preferences": "/none"},
        "database": str(host.database),
    }
    (host.data / "run.json").write_text(json.dumps({**arguments, "times": {"ready": "0.2s", "poll": "0.1s"}}))
    result = host(*run, code=1)
    assert "ready: started" in result.stderr
    assert "Plex was not ready within 0.2 s" in result.stdout


def test_a_report_is_written_from_what_a_run_left(host, tmp_path):
    inputs = {
        "title": "Delta burst",
        "run": {
            "phases": [
                {"name": "scan Movies", "started": 1, "seconds": 2, "outcome": "ok", "data": {"parts": 3}}
            ],
            "mount_reads": [{"path": "/a", "at": 1, "seconds": 0.02, "ok": True, "error": ""}],
            "sections": [
                {
                    "name": "Movies",
                    "type": "movie",
                    "items_before": 1,
                    "items_after": 2,
                    "newly_deleted": 0,
                    "skipped": False,
                    "reason": "",
                }
            ],
        },
    }
    (tmp_path / "inputs.json").write_text(json.dumps(inputs))
    told = host.json("plex", "report", str(tmp_path / "inputs.json"), "--out", str(tmp_path / "out"))
    assert told == json.loads((tmp_path / "out/report.json").read_text())
    assert told["outcome"] == "ok"
    assert told["sections"] == [
        {"name": "Movies", "type": "movie", "items_before": 1, "items_after": 2, "newly_deleted": 0}
    ]
    assert "Delta burst" in (tmp_path / "out/report.html").read_text()


def test_notifications_to_nobody_are_bad_input_and_to_a_dead_address_a_failure(host):
    assert "notify.urls" in host("notify", "test", code=2).stderr
    host.configure('[notify]\nurls = ["json://127.0.0.1:9/secret-hook-name-long?cto=1&rto=1"]')
    result = host("notify", "test", code=1)
    assert "NOT taken" in result.stdout
    assert "secret-hook-name-long" not in result.output


def test_telling_of_a_run_fails_nothing_when_the_destination_is_dead(host, tmp_path):
    host.configure('[notify]\nurls = ["json://127.0.0.1:9/hook?cto=1&rto=1"]')
    (tmp_path / "inputs.json").write_text('{"phases": [{"name": "a", "seconds": 1}]}')
    [delivery] = host.json("notify", "report", str(tmp_path / "inputs.json"))
    assert (delivery["event"], delivery["ok"]) == ("ended", False)


def test_a_store_that_is_not_set_up_or_not_there_is_told_apart(host):
    assert "store.bucket" in host("store", "check", code=2).stderr


def test_the_cloud_needs_credentials_and_names_the_missing_ones(host):
    result = host("cloud", "list", code=1)
    assert "access_key" in result.stderr


def test_the_doctor_makes_every_check_and_says_what_to_do(host):
    host.configure('[runtime]\nfree_space = "900 PB"')
    told = host.json("doctor", code=1)
    findings = {finding["check"]: finding for finding in told["findings"]}
    assert findings["settings file"]["status"] == "ok"
    disk = next(finding for name, finding in findings.items() if name.startswith("disk"))
    assert disk["status"] == "fail"
    assert "900 PB must be" in disk["detail"]
    assert findings["Plex"]["status"] == "fail"
    assert all(finding["advice"] for finding in told["findings"] if finding["status"] in ("warn", "fail"))


def test_the_version_and_the_help_need_no_settings():
    assert CliRunner().invoke(app, ["--version"]).stdout.startswith("medialift 0.")
    for words, command in commands(get_command(app)):
        told = CliRunner().invoke(app, [*words, "--help"], terminal_width=1000, env={"COLUMNS": "1000"})
        assert told.exit_code == 0, f"{words}: {told.exception!r}"
        for option in command.params:
            # A bracket would be taken for markup: it breaks the help, or vanishes from it.
            assert (getattr(option, "help", None) or "") in told.stdout, (words, option.name)


def commands(command, words=()):
    yield words, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*words, name))


def test_an_unknown_command_is_bad_input():
    assert CliRunner().invoke(app, ["plxe"]).exit_code == 2


def test_the_program_is_installed_and_starts_quickly(host):
    program = Path(sys.executable).with_name("medialift")
    begun = time.monotonic()
    done = subprocess.run(
        [program, "--config", host.file, "plex", "sections"], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert "Movies" in done.stdout
    assert time.monotonic() - begun < 15


def test_library_is_left_as_it_was_by_commands_that_only_look(host):
    before = host.database.read_bytes()
    host("plex", "sections")
    host("doctor", code=1)
    assert host.database.read_bytes() == before
    assert sqlite3.connect(host.database).execute("select count(*) from media_parts").fetchone() == (3,)


def test_a_support_bundle_says_where_it_is_what_is_in_it_and_what_is_missing(host, tmp_path):
    (host.data / "Logs").mkdir()
    (host.data / "Logs/Plex Media Server.log").write_text("a line with very-secret-key in it\n")
    out = tmp_path / "bundle"
    told = host.json("support-bundle", "--out", str(out), "--at-most", "2m")
    [path] = out.iterdir()
    assert (told["path"], path.stat().st_mode & 0o077) == (str(path), 0)
    found = Opened(path, tmp_path / "unpacked")
    assert [one["name"] for one in told["parts"]] == [one["name"] for one in found.told]
    assert found.of_file(host.data / "Logs/Plex Media Server.log") == "a line with ***** in it\n"
    assert {one["check"] for one in json.loads(found.members["host/doctor.json"])["findings"]} >= {"store"}
    # What this host does not have, such as systemd, is told and no error.
    assert told["missing"] == list(found.missing())


def test_a_support_bundle_is_made_of_a_host_whose_settings_are_wrong(host, tmp_path):
    host.configure('buckett = "x"\n')
    result = host("support-bundle", "--out", str(tmp_path / "bundle"))
    assert "buckett" in result.stdout and "very-secret-key" not in result.stdout
    [path] = (tmp_path / "bundle").iterdir()
    assert "very-secret-key" not in Opened(path, tmp_path / "unpacked").text


def test_a_support_bundle_takes_absolute_patterns_and_real_limits(host):
    assert "absolute" in host("support-bundle", "--also", "logs/*.log", code=2).stderr
    assert "duration" in host("support-bundle", "--at-most", "soon", code=2).stderr

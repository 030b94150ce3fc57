"""Chapter 1: `make demo`. The library grew in the cloud, and home serves it."""

import json
import re

import pytest

from tests import burst_world
from tests.burst_world import home_plex

pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("sandbox")]


def test_it_says_how_it_ended(delta):
    assert "outcome: ok" in delta.output
    assert "newly deleted" in delta.output


def test_the_report_has_what_was_promised(delta):
    report = delta.report
    assert report.keys() == {"outcome", "phases", "sections", "instance", "archive", "import"}
    assert report["outcome"] == "ok"
    assert all({"name", "seconds", "outcome"} <= phase.keys() for phase in report["phases"])
    assert {phase["outcome"] for phase in report["phases"]} <= {"ok", "skipped"}
    for section in report["sections"]:
        assert {"name", "type", "items_before", "items_after", "newly_deleted"} <= section.keys()
    assert {"id", "destroyed", "seconds", "cost_eur"} <= report["instance"].keys()
    assert {"bytes", "sha256", "members"} <= report["archive"].keys()
    assert report["import"] == {"outcome": "ok", "rolled_back": False}
    page = (delta.artifacts / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page and "https://" not in re.sub(r'xmlns="[^"]*"|href="[^"]*"', "", page)


def test_every_section_worked_on_grew_and_nothing_was_lost(delta):
    sections = {section["name"]: section for section in delta.report["sections"]}
    for name in ("Movies", "TV Shows", "Music"):
        assert sections[name]["items_after"] > sections[name]["items_before"] > 0, sections[name]
    assert sum(section["newly_deleted"] for section in sections.values()) == 0


def test_nothing_is_rented_any_more(delta):
    instance = delta.report["instance"]
    assert instance["destroyed"] is True
    assert instance["seconds"] > 0 and instance["cost_eur"] > 0
    assert burst_world.nothing_is_rented(), burst_world.cloud()


def test_the_archive_is_the_one_in_the_store_and_none_is_in_quarantine(delta):
    burst = [key for key in burst_world.archives("burst/") if key.endswith(".tar.zst")]
    assert len(burst) == 1
    body = burst_world.store.client().get_object(Bucket="medialift", Key=f"{burst[0]}.json")["Body"].read()
    assert json.loads(body)["archive"]["sha256"] == delta.report["archive"]["sha256"]
    assert burst_world.archives("quarantine/") == []


def test_home_serves_the_new_library(delta):
    served = burst_world.counts(home_plex())
    for section in delta.report["sections"]:
        assert served[section["name"]] == section["items_after"], section


def test_home_finds_every_file_at_home_and_none_in_the_cloud(delta):
    plex = home_plex()
    for section in plex.library.sections():
        assert section.locations == [f"/library/media/{section.title}"]
    episodes = plex.library.section("TV Shows").searchEpisodes()
    tracks = plex.library.section("Music").searchTracks()
    for item in (*plex.library.section("Movies").all(), *episodes, *tracks):
        item.reload(checkFiles=True)
        for part in item.iterParts():
            assert part.file.startswith("/library/media/")
            assert part.exists and part.accessible, part.file


def test_what_people_watched_and_rated_is_kept(delta):
    assert sorted(delta.people["ratings"].values()) == [4.0, 9.0]
    assert len(delta.people["films"]) == 1
    assert len(delta.people["episodes"]) == 1


def test_the_logs_of_the_machine_came_home_with_what_the_probes_saw(delta, tmp_path):
    found = burst_world.logs(delta.artifacts, tmp_path / "logs")
    results = [
        json.loads(text)
        for name, text in found.members.items()
        if "/jobs/plex-run-" in name and name.endswith("/result.json")
    ]
    assert all(read["ok"] for one in results for read in one["value"]["mount_reads"])
    assert sum(len(one["value"]["mount_reads"]) for one in results) > 0
    assert any("/mounts/" in name and name.endswith("state.json") for name in found.members), (
        found.members.keys()
    )
    plex = "".join(text for name, text in found.members.items() if name.endswith("Plex Media Server.log"))
    assert "The server has been claimed" in plex
    assert found.members["journal/rclone-_.log"].strip()
    assert (delta.artifacts / "logs/journal.jsonl").is_file()


def test_nothing_that_was_written_holds_a_secret(delta):
    assert (delta.artifacts / "ansible.log").stat().st_size > 10_000
    assert burst_world.leaked(delta.artifacts) == []

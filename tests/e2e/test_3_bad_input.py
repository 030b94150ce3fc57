"""Chapter 3: what is wrong is found before anything is rented, and told with what, why and what to do."""

import json

import pytest

from tests import burst_world
from tests.burst_world import play

pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("sandbox")]

CASES = {
    "the store's secret is wrong": (
        {"medialift_store_secret_key": "sandbox-not-the-secret"},
        ["The store does not accept the credentials", "Check store.access_key"],
    ),
    "the store's keys are missing": (
        {"medialift_store_access_key": ""},
        ["medialift_store_access_key, medialift_store_secret_key", "are needed"],
    ),
    "there is no such bucket": (
        {"medialift_media_bucket": "no-such-bucket"},
        ["There is no such bucket", "no-such-bucket", "Make it, or correct its name"],
    ),
    "there is no such zone": (
        {"scaleway_instance_offers": [{"zone": "fr-par-9", "commercial_type": "PRO2-S"}]},
        ["zone", "fr-par-9", "fr-par-1"],
    ),
    "there is no such type": (
        {"scaleway_instance_offers": [{"zone": "fr-par-1", "commercial_type": "PRO9-XL"}]},
        ["Scaleway does not sell this type in the zone", "PRO9-XL", "Among those it sells: PRO2"],
    ),
    "there is no such image": (
        {"scaleway_instance_image": "debian_bookwurm"},
        ["There is no such image for this type", "debian_bookwurm", "debian_bookworm"],
    ),
    "Scaleway's secret is wrong": (
        {"scaleway_instance_secret_key": "5a9db0c5-0000-4000-8000-000000000bad"},
        ["Scaleway does not know this API key", "Check the access key and the secret key"],
    ),
    "there is no such section": (
        {"plex_burst_sections": ["Movies", "Filme"]},
        ["There is no such section: Filme", "Valid are: Movies, TV Shows, Music, Photos"],
    ),
    "the path map does not cover a section": (
        {"plex_burst_path_map": {"/library/media/Movies": "/cloud/media/Movies"}},
        ["A section lies where the cloud cannot see it", "TV Shows", "Add it to the path map"],
    ),
    "the sections of a scratch burst are malformed": (
        {"plex_burst_mode": "scratch", "plex_burst_scratch_sections": [{"name": "Movies", "type": "film"}]},
        ["A section has an unknown type", "film", "Valid are: movie, show, artist, photo"],
    ),
    "the disk is too small": (
        {"scaleway_instance_root_volume_size": "5 GB"},
        ["The disk of the instance is too small", "5 GB", "Give it a larger root volume"],
    ),
    "nothing can claim the server": (
        {"plex_burst_account_token": ""},
        ["claimed afresh", "plex_burst_claim_token, plex_burst_claim_file and plex_burst_account_token"],
    ),
}


def refuse(tmp_path, variables, told):
    ended = play("plex_burst", artifacts=tmp_path, variables=variables)
    assert ended.code != 0, ended.output
    for words in told:
        assert words in ended.folded, ended.output
    assert "Traceback" not in ended.output
    assert burst_world.nothing_is_rented(), burst_world.cloud()
    return ended


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_before_anything_is_rented(delta, tmp_path, case):
    refuse(tmp_path, *CASES[case])


def test_a_malformed_path_map_is_refused_with_its_name(delta, tmp_path):
    file = tmp_path / "paths.yml"
    file.write_text("mappings:\n  library/media: /cloud/media\n")
    told = ["A path of the path map is not absolute", "paths.yml: library/media"]
    refuse(tmp_path, {"plex_burst_path_map_file": str(file)}, told)


def test_a_burst_that_was_refused_tells_so_in_its_report(delta, tmp_path):
    refuse(tmp_path, {"plex_burst_sections": ["Filme"]}, ["Filme"])
    assert json.loads((tmp_path / "report.json").read_text())["outcome"] == "failed"
    assert "There is no such section" in (tmp_path / "report.html").read_text()

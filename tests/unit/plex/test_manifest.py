"""Archives are found by what lies beside them; only proven, whole, unquarantined ones are ever chosen."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from medialift.errors import Permanent, Unsafe
from medialift.plex import manifest
from medialift.plex.manifest import ArchiveFacts, Found, Manifest, PassedOver, Sidecar
from medialift.plex.places import FolderPlace, place_of


@pytest.fixture
def place(tmp_path):
    return FolderPlace(tmp_path / "archives")


def made(**changes) -> Manifest:
    given = {
        "kind": "burst",
        "library": "home",
        "created": "2026-11-21T02:55:00Z",
        "plex_version": "1.43.4",
        "machine": "ab" * 32,
        "contents": ("databases", "media"),
        "sections": ({"id": 1, "name": "Movies", "locations": ["/m"], "items": 3},),
        "path_map": {"forward": {"/library": "/cloud"}},
        "reference": {"sha256": "cd" * 32},
    }
    return Manifest(**{**given, **changes})


def store(place, name, *, content=b"archive", size=None, **changes) -> None:
    """An archive with its sidecar; `size` for one that lies about it."""
    quarantined = changes.pop("quarantined", False)
    facts = ArchiveFacts(len(content) if size is None else size, "00" * 32, 1, 1)
    place.put(name, content)
    place.put(name + ".json", Sidecar(made(**changes), facts, quarantined).to_json())


def test_a_manifest_survives_json():
    given = made()
    assert Manifest.from_dict(json.loads(json.dumps(given.to_dict()))) == given
    assert next(iter(given.to_dict())) == "format"


def test_what_a_later_version_adds_to_this_format_is_passed_over():
    assert Manifest.from_dict({**made().to_dict(), "mood": "good"}) == made()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "newer medialift: format 2"),
        ({"format": "1"}, "newer medialift"),
        ({"kind": "copy"}, "malformed: kind"),
        ({"contents": ["logs"]}, r"malformed: contents.0"),
        ({"sections": 3}, "malformed: sections"),
        ({"library": None}, "malformed: library"),
    ],
)
def test_a_manifest_that_is_not_understood_is_refused(changes, message):
    with pytest.raises(Unsafe, match=message):
        Manifest.from_dict({**made().to_dict(), **changes})
    with pytest.raises(Unsafe, match="no manifest"):
        Manifest.from_dict({})


def test_names_sort_by_time_and_tell_it_in_utc():
    at = datetime(2026, 11, 21, 4, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    name = manifest.archive_name("reference", "home", at)
    assert name == "reference/home-20261121T030005Z.tar.zst"
    assert manifest.created_of(name) == at.astimezone(UTC)
    assert manifest.archive_name("burst", "home", at, quarantined=True).startswith("quarantine/")
    assert manifest.created_of("reference/plex_db_only_20251220_224449.tar.gz") is None


def test_the_newest_archive_is_chosen_of_this_library_and_kind(place):
    store(place, "burst/home-20261119T000000Z.tar.zst")
    store(place, "burst/home-20261120T000000Z.tar.zst")
    store(place, "reference/home-20261121T000000Z.tar.zst", kind="reference")
    # A library whose name starts with the other's.
    store(place, "burst/home-two-20261122T000000Z.tar.zst", library="home-two")
    found = manifest.newest(place, "burst", "home")
    assert found.name == "burst/home-20261120T000000Z.tar.zst"
    assert found.url == str(place.path / found.name)
    with found.open() as stream:
        assert stream.read() == b"archive"


def test_quarantined_unproven_and_truncated_ones_are_passed_over_with_the_reason(place):
    store(place, "burst/home-20261119T000000Z.tar.zst")
    store(place, "burst/home-20261120T000000Z.tar.zst", quarantined=True)
    store(place, "burst/home-20261121T000000Z.tar.zst", size=1000)
    place.put("burst/home-20261122T000000Z.tar.zst", b"never verified")
    store(place, "burst/home-20261123T000000Z.tar.zst")
    place.put("burst/home-20261123T000000Z.tar.zst.json", b'{"format": 1}')
    store(place, "quarantine/home-20261124T000000Z.tar.zst", quarantined=True)
    assert manifest.newest(place, "burst", "home").name == "burst/home-20261119T000000Z.tar.zst"
    reasons = [one.reason for one in manifest.usable(place, "burst", "home") if isinstance(one, PassedOver)]
    for reason, part in zip(
        reasons, ["malformed", "never verified", "truncated or was replaced", "quarantined"], strict=True
    ):
        assert part in reason


def test_without_any_usable_archive_the_error_says_why(place):
    with pytest.raises(Permanent, match=r"no usable burst archive of the library 'home'.*Export one first"):
        manifest.newest(place, "burst", "home")
    store(place, "burst/home-20261120T000000Z.tar.zst", quarantined=True)
    with pytest.raises(Permanent, match=r"home-20261120T000000Z.tar.zst: it is quarantined"):
        manifest.newest(place, "burst", "home")


def test_an_archive_is_found_by_its_label(place):
    store(place, "burst/home-20261119T000000Z.tar.zst", label="one")
    store(place, "burst/home-20261120T000000Z.tar.zst", label="two")
    found = manifest.labelled(place, "burst", "home", "one")
    assert isinstance(found, Found) and found.name.endswith("20261119T000000Z.tar.zst")
    assert manifest.labelled(place, "burst", "home", "three") is None


def test_one_that_is_named_can_be_had_from_the_quarantine_too(place):
    store(place, "quarantine/home-20261124T000000Z.tar.zst", quarantined=True)
    assert manifest.load(place, "quarantine/home-20261124T000000Z.tar.zst").sidecar.quarantined
    with pytest.raises(Permanent, match="no such archive"):
        manifest.load(place, "burst/none.tar.zst")


@pytest.mark.parametrize("url", ["relative/folder", "s3://", "http://example.org/x"])
def test_a_place_is_a_folder_or_in_the_store(url):
    with pytest.raises(Permanent):
        place_of(url, None)
    with pytest.raises(Permanent, match="No store is set up"):
        place_of("s3://bucket/prefix", None)
    assert place_of("/srv/archives", None) == place_of("file:///srv/archives", None)

"""What would cost money for nothing is refused before a machine is rented, with what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medialift.errors import MedialiftError, Permanent, Transient, Unsafe
from medialift.plex import preflight
from tests.preflight_world import MEDIA, NAME, SECTIONS, VERSION, PreflightWorld, impatient, make, section
from tests.store_world import StoreWorld

SCRATCH = {
    "mode": "scratch",
    "plex_version": VERSION,
    "scratch_sections": [
        {"name": "Movies", "type": "movie", "locations": ["/cloud/media/Movies"]},
        {"name": "Photos", "type": "photo", "locations": ["/cloud/media/Photos"]},
    ],
}


@pytest.fixture
def world(store_of_test: StoreWorld) -> PreflightWorld:
    return make(store_of_test)


def plan(world: PreflightWorld, **changes: Any) -> dict[str, Any]:
    request = impatient(preflight.request({**world.options, **changes}))
    return preflight.plan(request).to_dict()


def refusal(world: PreflightWorld, kind: type[MedialiftError], **changes: Any) -> str:
    """The three sentences of the refusal, in one line."""
    with pytest.raises(kind) as caught:
        plan(world, **changes)
    return str(caught.value)


def test_a_good_delta_burst_is_planned_from_the_newest_reference_and_nothing_is_left(
    world: PreflightWorld,
) -> None:
    world.reference("reference/home-20260101T000000Z.tar.zst")
    world.reference()
    before = world.store.keys()
    told = plan(world)
    assert (told["plex_version"], told["reference"]["name"]) == (VERSION, NAME)
    assert told["reference"]["watch_state"]["views"] == 2
    assert (told["run"], told["warnings"]) == ("a" * 12, [])
    assert told["sections"] == ["Movies", "Music"]
    assert list(told["skipped"]) == ["Photos"] and "Immich" in told["skipped"]["Photos"]
    assert world.store.keys() == before and world.store.unfinished_uploads() == []


def test_a_reference_may_be_named(world: PreflightWorld) -> None:
    world.reference("reference/home-20260101T000000Z.tar.zst")
    world.reference()
    told = plan(world, reference="reference/home-20260101T000000Z.tar.zst")
    assert told["reference"]["name"] == "reference/home-20260101T000000Z.tar.zst"


@pytest.mark.parametrize("changes", [{"secret_key": "wrong"}, {"access_key": "WRONG"}])
def test_wrong_credentials_are_refused_and_not_repeated(
    world: PreflightWorld, changes: dict[str, str]
) -> None:
    # Like the real store, this one answers 403 to whoever it does not know.
    world.reference()
    said = refusal(world, Permanent, **changes)
    assert "credentials" in said
    assert world.options["secret_key"] not in said


@pytest.mark.parametrize("name", ["media_bucket", "archive_bucket"])
def test_a_bucket_that_is_not_there_is_named(world: PreflightWorld, name: str) -> None:
    world.reference()
    assert "s3://nowhere" in refusal(world, Permanent, **{name: "nowhere"})


def test_an_archive_bucket_that_cannot_be_written_is_refused(world: PreflightWorld) -> None:
    world.reference()
    with world.store.faults.active("status403", match=f"^(POST|PUT) /{world.store.bucket}/"):
        assert f"s3://{world.store.bucket}" in refusal(world, Permanent)


def test_media_are_only_read(world: PreflightWorld) -> None:
    world.reference()
    with world.store.faults.active("status403", match=f"^(POST|PUT|DELETE) /{MEDIA}/"):
        assert plan(world)["sections"] == ["Movies", "Music"]


def test_a_store_that_does_not_answer_may_answer_later(world: PreflightWorld) -> None:
    with world.store.faults.active("refuse"):
        refusal(world, Transient)


def test_without_a_reference_there_is_nothing_to_lift(world: PreflightWorld) -> None:
    said = refusal(world, Permanent)
    assert "no usable reference archive of the library 'home'" in said and "Export one first" in said
    assert "no such archive" in refusal(world, Permanent, reference=NAME)


def test_an_unknown_section_is_refused_with_those_that_are_valid(world: PreflightWorld) -> None:
    world.reference()
    said = refusal(world, Permanent, sections=["Movies", "Filme"])
    assert "There is no such section: Filme" in said
    assert "Movies, Music, Photos" in said


def test_a_section_that_is_named_is_worked_on_even_if_it_holds_photos(world: PreflightWorld) -> None:
    world.reference()
    assert plan(world, sections=["Photos"])["sections"] == ["Photos"]
    assert plan(world, photo=True)["sections"] == ["Movies", "Music", "Photos"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "malformed"),
        ("just text", "no map"),
        ("media: /cloud/media", "not absolute"),
        ("/library/media/: /cloud/media", "ends in a separator"),
        ('{"/a": "/x", "/a": "/y"}', "mapped twice"),
        ("- {from: /a}", "not {from, to}"),
    ],
)
def test_a_malformed_map_file_is_named_with_its_fault(
    world: PreflightWorld, tmp_path: Path, text: str, said: str
) -> None:
    world.reference()
    file = tmp_path / "paths.yml"
    file.write_text(text)
    told = refusal(world, Permanent, path_map={}, path_map_file=str(file))
    assert said in told and str(file) in told


def test_an_absent_map_file_is_named(world: PreflightWorld, tmp_path: Path) -> None:
    world.reference()
    missing = str(tmp_path / "paths.yml")
    assert missing in refusal(world, Permanent, path_map={}, path_map_file=missing)


def test_a_map_file_is_read(world: PreflightWorld, tmp_path: Path) -> None:
    world.reference()
    file = tmp_path / "paths.json"
    file.write_text('{"mappings": {"/library/media": "/cloud/media"}}')
    told = plan(world, path_map={}, path_map_file=str(file))
    assert told["path_map"] == {"/library/media": "/cloud/media"}


def test_a_section_outside_the_path_map_is_refused_unless_it_is_left_out(world: PreflightWorld) -> None:
    world.reference(sections=(*SECTIONS, section(4, "Attic", "movie", "/mnt/attic")))
    said = refusal(world, Permanent)
    assert "Attic: /mnt/attic" in said and "/cloud/media" in said
    told = plan(world, sections=["Movies"])
    assert told["warnings"] == ["Attic: it is not worked on, and its media would not be seen in the cloud"]


def test_half_a_folder_name_is_not_below_the_root(world: PreflightWorld) -> None:
    world.reference(sections=(section(1, "Movies", "movie", "/library/media/Movies"),))
    assert "Movies" in refusal(world, Permanent, path_map={"/library/media": "/cloud/mediathek"})


def test_a_quarantined_reference_is_refused_with_its_reasons(world: PreflightWorld) -> None:
    world.reference(quarantined=True)
    assert "7 items were lost" in refusal(world, Unsafe, reference=NAME)
    assert "quarantined" in refusal(world, Permanent)


def test_a_truncated_reference_is_refused(world: PreflightWorld) -> None:
    world.reference(size=10_000)
    said = refusal(world, Unsafe, reference=NAME)
    assert "truncated or was replaced" in said and "10000" in said
    assert "truncated" in refusal(world, Permanent)


def test_a_reference_without_its_description_was_never_verified(world: PreflightWorld) -> None:
    world.reference()
    world.store.store.client.delete_object(Bucket=world.store.bucket, Key=f"plex/{NAME}.json")
    assert "never verified" in refusal(world, Unsafe, reference=NAME)


@pytest.mark.parametrize("other", [{"kind": "burst"}, {"library": "cabin"}])
def test_an_archive_that_is_no_reference_of_this_library_is_refused(
    world: PreflightWorld, other: dict[str, str]
) -> None:
    world.reference("burst/home-20261121T031500Z.tar.zst", **other)  # type: ignore[arg-type]
    said = refusal(world, Unsafe, reference="burst/home-20261121T031500Z.tar.zst")
    assert "no reference of the library 'home'" in said


def test_another_version_than_homes_is_refused(world: PreflightWorld) -> None:
    world.reference()
    said = refusal(world, Unsafe, plex_version="1.41.6.9685-d301f511a")
    assert VERSION in said and "1.41.6.9685-d301f511a" in said
    assert plan(world, plex_version=VERSION)["plex_version"] == VERSION


def test_a_disk_that_is_too_small_is_refused_with_the_size_it_needs(world: PreflightWorld) -> None:
    world.reference(content=15_000_000_000)
    said = refusal(world, Permanent, disk="50 GB")
    assert "too small" in said and "53 GB" in said
    assert plan(world, disk="53 GB")["sections"]
    # A machine of one's own tells no size.
    assert plan(world, disk="")["sections"]


def test_a_scratch_burst_is_planned_without_any_archive(world: PreflightWorld) -> None:
    told = plan(world, **SCRATCH)
    assert (told["plex_version"], told["reference"], told["run"]) == (VERSION, None, "scratch")
    assert (told["sections"], list(told["skipped"])) == (["Movies"], ["Photos"])


def test_a_scratch_burst_without_sections_is_refused(world: PreflightWorld) -> None:
    said = refusal(world, Permanent, **{**SCRATCH, "scratch_sections": []})
    assert "needs the sections" in said and "{name: Movies" in said


@pytest.mark.parametrize("version", ["", "latest", "public", "beta", "plexpass"])
def test_a_scratch_burst_in_a_version_that_moves_is_refused(world: PreflightWorld, version: str) -> None:
    assert "exact version" in refusal(world, Permanent, **{**SCRATCH, "plex_version": version})


def test_a_scratch_section_outside_of_the_bucket_is_refused(world: PreflightWorld) -> None:
    sections = [{"name": "Movies", "type": "movie", "locations": ["/library/media/Movies"]}]
    said = refusal(world, Permanent, **{**SCRATCH, "scratch_sections": sections})
    assert "Movies: /library/media/Movies" in said and "/cloud/media" in said


def test_a_malformed_scratch_section_is_named(world: PreflightWorld) -> None:
    sections = [{"name": "Movies", "type": "films", "locations": ["/cloud/media/Movies"]}]
    said = refusal(world, Permanent, **{**SCRATCH, "scratch_sections": sections})
    assert "section 1 (Movies): films" in said and "movie, show, artist, photo" in said

"""The archive is not what the burst wrote: home refuses it, serves what it served, takes the whole one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from medialift.errors import Permanent, Unsafe
from medialift.plex.restore import ArchiveSource
from sandbox.plex.builder import LibraryBuilder
from tests.faults import catalogue
from tests.faults.at_home import attempt, grown, take, whole
from tests.restore_world import World, describe, path_of, tree


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World.make(tmp_path)
    yield made
    made.plex.stop()


def refused_then_taken(world: World, source: ArchiveSource, spoil: Callable[[bytes], bytes]) -> None:
    """Spoil the archive, import it, and import it again when it is whole."""
    before, good = tree(world.home.data), path_of(source).read_bytes()
    path_of(source).write_bytes(spoil(good))
    assert isinstance(attempt(world, source), (Unsafe, Permanent))
    assert whole(world, before)
    path_of(source).write_bytes(good)
    assert take(world, source).changed and grown(world)


@pytest.mark.fault(catalogue.ARCHIVE_TRUNCATED)
@pytest.mark.parametrize("kept", ["nothing", "its beginning", "a part", "all but a byte"])
def test_a_truncated_archive_is_refused_and_the_whole_one_is_taken(
    world: World, kept: str, fault_moment: int
):
    def cut(good: bytes) -> bytes:
        at = {"nothing": 0, "its beginning": 64, "all but a byte": len(good) - 1}
        return good[: at.get(kept, Random(fault_moment).randrange(100, len(good) - 100))]

    source = world.burst()
    refused_then_taken(world, source, cut)


@pytest.mark.fault(catalogue.ARCHIVE_TRUNCATED)
def test_a_truncated_archive_is_refused_even_when_its_description_was_cut_to_fit(
    world: World, fault_moment: int
):
    source = world.burst()
    before, good = tree(world.home.data), path_of(source).read_bytes()
    described = path_of(source).with_name(path_of(source).name + ".json").read_bytes()
    size = Random(fault_moment).randrange(1000, len(good))
    path_of(source).write_bytes(good[:size])
    facts = {"bytes": size, "sha256": "0" * 64, "members": 3, "content_bytes": 1000}
    describe(source, archive=facts)
    assert isinstance(attempt(world, source), Unsafe)
    assert whole(world, before)
    path_of(source).write_bytes(good)
    path_of(source).with_name(path_of(source).name + ".json").write_bytes(described)
    assert take(world, source).changed and grown(world)


@pytest.mark.fault(catalogue.ARCHIVE_ALTERED)
@pytest.mark.parametrize("where", ["in its head", "in its middle", "at its end"])
def test_an_altered_archive_is_refused_and_the_whole_one_is_taken(
    world: World, where: str, fault_moment: int
):
    def alter(good: bytes) -> bytes:
        random = Random(fault_moment)
        third = len(good) // 3
        start = {"in its head": 0, "in its middle": third, "at its end": 2 * third}[where]
        at = start + random.randrange(third)
        return good[:at] + bytes([good[at] ^ random.randrange(1, 256)]) + good[at + 1 :]

    refused_then_taken(world, world.burst(), alter)


@pytest.mark.fault(catalogue.ARCHIVE_ALTERED)
def test_the_archive_of_another_burst_under_this_one_s_name_is_refused(world: World):
    other = world.burst("other", extra={"Metadata/x": b"1"})
    refused_then_taken(world, world.burst(), lambda _: path_of(other).read_bytes())


@pytest.mark.fault(catalogue.ARCHIVE_NEWER)
@pytest.mark.parametrize("told", ["in its description", "by its version only", "by its database only"])
def test_an_archive_of_a_newer_plex_is_refused_and_one_of_home_s_plex_is_taken(world: World, told: str):
    def migrate(library: LibraryBuilder) -> None:
        if told != "by its version only":
            library.con.execute("INSERT INTO schema_migrations (version) VALUES ('20991231000000')")

    claims: dict[str, object] = {}
    if told != "by its database only":
        claims["plex_version"] = "9.99.0.1-newer"
    else:
        claims["schema"] = {"max_version": "20200101000000", "triggers": "new"}
    before = tree(world.home.data)
    assert isinstance(attempt(world, world.burst("newer", migrate, **claims)), Unsafe)
    assert whole(world, before)
    assert take(world, world.burst()).changed and grown(world)

"""Every profile of the mount, with the flags that the role gives rclone, mounts a store and reads well."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from medialift.mounts.probe import probe
from medialift.mounts.remote import Remote
from tests.mount_world import RCLONE, S3Mount
from tests.profile_world import rendered
from tests.store_world import store_world

NAMES = ("lite", "standard", "power", "superpower")
FILES = ("Movies/a.mkv", "Movies/b.mkv", "Music/c.flac", "Music/d.flac")


class ProfileMount(S3Mount):
    """A mount with the role's own flags; only where it keeps its files is the test's."""

    def own(self) -> dict[str, str]:
        """What the test has in place of the role's paths, for rclone_mount_options."""
        return {
            "config": str(self.config),
            "cache-dir": str(self.config.parent / "cache"),
            "rc-addr": f"unix://{self.config.parent}/rc.sock",
        }


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ProfileMount]]:
    """All four at once, of one store."""
    with store_world("media") as store:
        mounts = {name: ProfileMount(tmp_path_factory.mktemp(name), store) for name in NAMES}
        flags = rendered(
            {
                name: {"plex_burst_mount_profile": name, "rclone_mount_options": mount.own()}
                for name, mount in mounts.items()
            },
            tmp_path_factory.mktemp("rendered"),
        )
        mounts["lite"].fill(*FILES, size=1_500_000)
        try:
            for name, mount in mounts.items():
                mount.options = flags[name]["mount_flags"]
            with ThreadPoolExecutor() as pool:
                list(pool.map(ProfileMount.up, mounts.values()))
            yield mounts
        finally:
            for mount in mounts.values():
                mount.down()


@pytest.mark.parametrize("name", NAMES)
def test_a_probe_finds_it_healthy_and_the_bytes_are_those_of_the_store(
    mounted: dict[str, ProfileMount], name: str
) -> None:
    mount = mounted[name]
    remote = Remote(RCLONE, mount.config, mount.name, mount.place)
    files = [str(mount.place / file) for file in FILES]
    verdict = probe(mount.place, files, sample=4, deadline=60, source="medialift-media", remote=remote)
    assert verdict.healthy, verdict
    assert len(verdict.reads) >= 4 and verdict.differing == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_file_is_the_object(mounted: dict[str, ProfileMount], name: str) -> None:
    mount = mounted[name]
    assert (mount.place / FILES[0]).read_bytes() == mount.store.content(FILES[0])
    with pytest.raises(OSError):
        (mount.place / "new").touch()


def test_those_with_a_cache_keep_what_was_read_and_the_others_keep_nothing(
    mounted: dict[str, ProfileMount],
) -> None:
    kept = {}
    for name, mount in mounted.items():
        (mount.place / FILES[1]).read_bytes()
        cached = (mount.config.parent / "cache").rglob("b.mkv")
        kept[name] = any(file.stat().st_size for file in cached if "vfs" in file.parts)
    assert kept == {"lite": False, "standard": False, "power": True, "superpower": True}

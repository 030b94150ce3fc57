"""What is mounted is read from the kernel's own list."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from medialift.mounts import mountinfo

LINES = r"""22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
90 22 0:45 / /mnt/cloud/media ro,nosuid,nodev,relatime shared:50 - fuse.rclone media:media ro,user_id=0
91 22 0:46 / /mnt/with\040space rw - fuse.rclone other:media rw
92 90 0:47 / /mnt/cloud/media rw - tmpfs tmpfs rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> tuple[mountinfo.Mount, ...]:
    (tmp_path / "mountinfo").write_text(LINES)
    return mountinfo.mounts(tmp_path / "mountinfo")


def test_a_mount_tells_its_type_source_and_device(mounts: tuple[mountinfo.Mount, ...]) -> None:
    mount = mounts[1]
    assert (mount.filesystem, mount.source, mount.device, mount.read_only) == (
        "fuse.rclone",
        "media:media",
        "0:45",
        True,
    )


def test_a_name_with_a_space_is_read_right(mounts: tuple[mountinfo.Mount, ...]) -> None:
    found = mountinfo.at("/mnt/with space", mounts)
    assert found is not None and found.source == "other:media"


def test_of_two_mounts_at_one_place_the_later_is_seen(mounts: tuple[mountinfo.Mount, ...]) -> None:
    found = mountinfo.at("/mnt/cloud/media", mounts)
    assert found is not None and found.filesystem == "tmpfs"
    assert mountinfo.at("/mnt/cloud", mounts) is None


def test_a_path_lies_on_the_nearest_mount_above_it(mounts: tuple[mountinfo.Mount, ...]) -> None:
    above = mountinfo.over("/mnt/cloud/mediathek/a.mkv", mounts)
    assert above is not None and above.mountpoint == PurePosixPath("/")
    below = mountinfo.over("/mnt/cloud/media/Movies/a.mkv", mounts)
    assert below is not None and below.filesystem == "tmpfs"


def test_the_kernels_own_list_can_be_read() -> None:
    assert any(mount.mountpoint == PurePosixPath("/") for mount in mountinfo.mounts())

"""Which archive is meant by a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from medialift.cloud.objects import Store
from medialift.errors import Permanent
from medialift.plex.restore import ArchiveSource, find

STORE = Store("http://127.0.0.1:9", "fr-par", "key", "secret")


def meant(name: str, store: Store | None = STORE, bucket: str = "medialift") -> ArchiveSource:
    return find(name, store=store, bucket=bucket, prefix="plex", library="home")


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("/srv/a b.tar.zst", "/srv/a b.tar.zst"),
        ("burst/home-1.tar.zst", "s3://medialift/plex/burst/home-1.tar.zst"),
        ("plex/burst/home-1.tar.zst", "s3://medialift/plex/burst/home-1.tar.zst"),
        ("s3://other/x/home-1.tar.zst", "s3://other/x/home-1.tar.zst"),
    ],
)
def test_paths_keys_and_addresses_name_an_archive(name: str, address: str):
    assert meant(name).name == address


def test_without_a_store_only_files_can_be_named(tmp_path: Path):
    for store, bucket in ((None, "medialift"), (STORE, "")):
        with pytest.raises(Permanent, match="no store is configured"):
            meant("newest", store, bucket)
    assert meant(str(tmp_path / "x.tar.zst"), None).name == str(tmp_path / "x.tar.zst")


def test_a_missing_file_says_so(tmp_path: Path):
    source = meant(str(tmp_path / "x.tar.zst"))
    for ask in (source.size, source.sidecar, source.open):
        with pytest.raises(Permanent, match="no such archive"):
            ask()

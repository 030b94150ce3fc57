"""What of Plex's data folder travels: found folder by folder, and measured as it is found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medialift.errors import Permanent, Unsafe
from medialift.plex.data_folder import BLOBS_NAME, CONTENTS, LIBRARY_NAME, DataFolder, Size, forbidden

BUNDLES = "Metadata/Movies/0"


@pytest.fixture
def data(tmp_path: Path) -> DataFolder:
    for name, size in {
        LIBRARY_NAME: 500,
        BLOBS_NAME: 50,
        f"{BUNDLES}/b.bundle/Contents/Info.xml": 7,
        f"{BUNDLES}/b.bundle/Contents/art/1": 11,
        f"{BUNDLES}/a.bundle/Info.xml": 13,
        f"{BUNDLES}/a.file": 17,
        f"{BUNDLES}/b.bundle/Cache/left behind": 1000,
        f"{BUNDLES}/x.db-2024-01-01": 1000,
        "Media/localhost/0/index.bif": 19,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    return DataFolder(tmp_path)


def names(data: DataFolder, **options) -> list[str]:
    return [member.name for member in data.members(CONTENTS, **options)]


def test_files_come_folder_by_folder_and_sorted(data):
    assert names(data) == [
        f"{BUNDLES}/a.bundle/Info.xml",
        f"{BUNDLES}/a.file",
        f"{BUNDLES}/b.bundle/Contents/Info.xml",
        f"{BUNDLES}/b.bundle/Contents/art/1",
        "Media/localhost/0/index.bif",
    ]


@pytest.mark.parametrize("previews", [True, False])
def test_what_is_measured_is_what_travels(data, previews):
    (data.path / BUNDLES / "link").symlink_to("a.file")
    (data.path / BUNDLES / "dangling").symlink_to("nowhere")
    os.mkfifo(data.path / BUNDLES / "pipe")
    given = list(data.members(CONTENTS, previews=previews))
    sizes = sum(Path(member.source).stat().st_size for member in given)
    assert data.measure(CONTENTS, previews=previews) == Size(len(given) + 2, sizes + 550, 550)
    assert (BUNDLES + "/link" in [member.name for member in given]) and "pipe" not in str(given)


def test_a_link_that_leads_out_is_refused_and_a_folder_that_is_closed_is_told(data, tmp_path, monkeypatch):
    (data.path / BUNDLES / "zz").symlink_to("/etc/passwd")
    with pytest.raises(Unsafe, match="does not lead to a file beside it"):
        names(data)

    def refused(folder):
        raise PermissionError(13, "Permission denied", folder)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(Permanent, match="cannot be read"):
        names(data)


@pytest.mark.parametrize(
    "name",
    [
        "Metadata/LOGS/x",
        "Metadata/a/Preferences.xml",
        "Metadata/server.PEM",
        "Metadata/x.db",
        "Metadata/x.db\n",
        "Metadata/x.db-wal",
        "Metadata/x.db-2024-01-01.jpg",
        "Metadata/x-journal",
        "Metadata/x.pid",
        "cache",
        f"{LIBRARY_NAME}-2024-01-01",
        f"x/{LIBRARY_NAME}",
    ],
)
def test_a_name_that_must_stay_is_known(name):
    assert forbidden(name)


@pytest.mark.parametrize(
    "name", ["Metadata/caches/x", "Metadata/x.dbx", "Metadata/keys", "Metadata/x.db-old/1", LIBRARY_NAME]
)
def test_a_name_that_may_travel_is_let_through(name):
    assert not forbidden(name)

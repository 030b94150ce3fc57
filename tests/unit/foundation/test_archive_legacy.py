"""Archives made by the original system can still be read: a `.tar.gz` without manifest."""

from __future__ import annotations

import io
import subprocess
import tarfile

import pytest

from medialift.errors import Unsafe
from medialift.foundation import archive


@pytest.fixture
def old(tmp_path):
    """A `.tar.gz` as `tar czf` makes it of a Plex folder."""
    tree = tmp_path / "tree"
    for name, content in {
        "Plug-in Support/Databases/com.plexapp.plugins.library.db": b"d" * 100_000,
        "Metadata/" + "x" * 130 + "/" + "y" * 120 + "/poster": b"p",
    }.items():
        (tree / name).parent.mkdir(parents=True)
        (tree / name).write_bytes(content)
    subprocess.run(["tar", "czf", tmp_path / "old.tar.gz", "-C", tree, "."], check=True)
    return (tmp_path / "old.tar.gz").read_bytes()


def test_it_is_verified_and_unpacked_like_a_new_one(tmp_path, old):
    assert archive.read_manifest(io.BytesIO(old)) == {}
    verified = archive.extract(
        io.BytesIO(old), tmp_path / "out", want=lambda name: name.startswith("Plug-in Support/")
    )
    assert (verified.members, verified.content_bytes) == (2, 100_001)
    database = tmp_path / "out/Plug-in Support/Databases/com.plexapp.plugins.library.db"
    assert database.read_bytes() == b"d" * 100_000
    assert not (tmp_path / "out/Metadata").exists()
    assert verified.bytes == len(old)


@pytest.mark.parametrize("left", [2, 50, 0.5, 0.9, -9, -8, -4, -1])
def test_a_truncated_one_is_refused(tmp_path, old, left):
    cut = old[: int(len(old) * left) if isinstance(left, float) else left]
    with pytest.raises(Unsafe):
        archive.extract(io.BytesIO(cut), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_altered_byte_fails_its_crc(old):
    data = bytearray(old)
    data[-6] ^= 1
    with pytest.raises(Unsafe):
        archive.verify(io.BytesIO(bytes(data)))


@pytest.mark.parametrize("name", ["../up", "/abs", "a/../../up"])
def test_a_member_that_leaves_its_folder_is_refused(tmp_path, name):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name))
    with pytest.raises(Unsafe):
        archive.extract(io.BytesIO(out.getvalue()), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_refused():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        link = tarfile.TarInfo("a")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    with pytest.raises(Unsafe, match="something else than files"):
        archive.verify(io.BytesIO(out.getvalue()))


def test_an_empty_one_is_refused():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz"):
        pass
    with pytest.raises(Unsafe, match="empty"):
        archive.verify(io.BytesIO(out.getvalue()))

"""An archive comes back as it went in, or is refused with the reason."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from medialift.errors import Permanent, Transient, Unsafe
from medialift.foundation import archive
from medialift.foundation.archive import Member
from medialift.foundation.archive.header import decode, decode_pax, encode

MANIFEST = {"format": 1, "library": "Les Misérables"}


def packed(members, **options) -> bytes:
    out = io.BytesIO()
    archive.write(members, out, manifest=MANIFEST, **options)
    return out.getvalue()


def repacked(data: bytes, change) -> bytes:
    """The archive after `change({name: content})`, packed by someone else with a valid zstd frame."""
    plain = zstandard.ZstdDecompressor().stream_reader(data).read()
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        files = {info.name: tar.extractfile(info).read() for info in tar}
    files = change(files) or files
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return zstandard.ZstdCompressor().compress(out.getvalue().rstrip(b"\0") + bytes(2048))


def tarred(*infos: tarfile.TarInfo, form=tarfile.USTAR_FORMAT) -> bytes:
    """A plain tar of a manifest and these members, each without content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        manifest = tarfile.TarInfo(archive.MANIFEST_NAME)
        manifest.size = 2
        tar.addfile(manifest, io.BytesIO(b"{}"))
        for info in infos:
            tar.addfile(info)
    return out.getvalue()


def info(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


@pytest.fixture
def tree(tmp_path: Path) -> dict[str, bytes]:
    """A small tree on disk, with sizes around tar's block and one file larger than a batch."""
    contents = {
        "a/empty": b"",
        "a/one": b"x",
        "a/block": b"b" * 512,
        "a/block and one": b"c" * 513,
        "a/é ü 日本": b"not ASCII",
        "b/" + "d" * 120 + "/" + "e" * 90: b"long, fits ustar",
        "b/" + "f" * 200: b"longer than ustar allows",
        "large": os.urandom(1 << 20) * 9 + b"tail",
    }
    for name, content in contents.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return contents


def members(tmp_path: Path, tree) -> list[Member]:
    return [Member(name, tmp_path / "tree" / name) for name in tree]


def unpacked(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_goes_in_comes_out_with_modes_and_times(tmp_path, tree):
    (tmp_path / "tree/a/one").chmod(0o600)
    os.utime(tmp_path / "tree/a/one", (1_600_000_000, 1_600_000_000))
    data = packed(members(tmp_path, tree))
    verified = archive.extract(io.BytesIO(data), tmp_path / "out")
    assert {name: content for name, content in unpacked(tmp_path / "out").items()} == tree
    assert verified.manifest == MANIFEST
    assert (verified.members, verified.content_bytes) == (len(tree), sum(map(len, tree.values())))
    facts = (tmp_path / "out/a/one").stat()
    assert (facts.st_mode & 0o777, facts.st_mtime) == (0o600, 1_600_000_000)


def test_writing_and_reading_agree_on_size_and_checksum_of_the_whole(tmp_path, tree):
    out = io.BytesIO()
    written = archive.write(members(tmp_path, tree), out, manifest=MANIFEST)
    verified = archive.verify(io.BytesIO(out.getvalue()))
    assert (written.bytes, written.sha256) == (verified.bytes, verified.sha256)
    assert (written.members, written.content_bytes) == (verified.members, verified.content_bytes)
    assert written.bytes == len(out.getvalue())


def test_ordinary_tar_and_zstd_can_unpack_it(tmp_path, tree):
    (tmp_path / "x.tar.zst").write_bytes(packed(members(tmp_path, tree)))
    (tmp_path / "out").mkdir()
    subprocess.run(
        ["tar", "--zstd", "-xf", tmp_path / "x.tar.zst", "-C", tmp_path / "out"],
        check=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    found = unpacked(tmp_path / "out")
    listed = found.pop(archive.CHECKSUMS_NAME).decode().splitlines()
    assert found.pop(archive.MANIFEST_NAME)
    assert found == tree
    assert len(listed) == len(tree) + 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(
                st.text(
                    st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]),
                    min_size=1,
                    max_size=60,
                ).filter(lambda part: part not in (".", "..")),
                min_size=1,
                max_size=5,
            ).map("/".join),
            st.binary(max_size=2000),
        ),
        max_size=8,
        unique_by=lambda pair: pair[0],
    )
)
def test_any_names_and_contents_survive(pairs):
    seen = {}

    class Collecting:
        def begin(self, entry):
            seen[entry.name] = b""

            def add(piece):
                seen[entry.name] += bytes(piece)

            return add

        def end(self, entry):
            pass

    data = packed(Member(name, content) for name, content in pairs)
    verified = archive.open_archive(io.BytesIO(data)).drain(Collecting())
    # An empty member has no piece, but is met all the same.
    assert seen == dict(pairs)
    assert verified.members == len(pairs)


def test_a_name_that_is_not_utf8_survives(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    archive.extract(io.BytesIO(packed([Member(name, b"x")])), tmp_path / "out")
    assert [os.fsencode(path.name) for path in (tmp_path / "out").iterdir()] == [b"caf\xe9"]


def test_a_size_beyond_eight_gibibytes_has_a_header_of_its_own():
    blocks = encode("big", 9 << 30, 0o644, 0)
    size = decode(blocks[:512])[2]
    assert decode_pax(blocks[512 : 512 + size]) == {"size": b"%d" % (9 << 30)}


def test_only_what_is_wanted_is_unpacked_but_all_is_verified(tmp_path, tree):
    data = packed(members(tmp_path, tree))
    verified = archive.extract(io.BytesIO(data), tmp_path / "out", want=lambda name: name == "a/one")
    assert unpacked(tmp_path / "out") == {"a/one": b"x"}
    assert verified.members == len(tree)


def test_the_manifest_is_read_without_the_rest(tmp_path, tree):
    data = packed(members(tmp_path, tree))
    assert archive.read_manifest(io.BytesIO(data[: len(data) // 2])) == MANIFEST


@pytest.mark.parametrize("left", [0, 1, 3, 5, 100, 0.3, 0.5, 0.9, -1000, -100, -5, -4, -3, -1])
def test_a_truncated_archive_is_refused_wherever_it_was_cut(tmp_path, tree, left):
    data = packed(members(tmp_path, tree))
    cut = data[: int(len(data) * left) if isinstance(left, float) else left]
    with pytest.raises(Unsafe, match=r"truncated|not an archive"):
        archive.verify(io.BytesIO(cut))
    with pytest.raises(Unsafe):
        archive.extract(io.BytesIO(cut), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tree"]


@pytest.mark.parametrize("where", [0.01, 0.2, 0.5, 0.8, 0.999])
def test_an_altered_byte_is_noticed_wherever_it_is(tmp_path, tree, where):
    data = bytearray(packed(members(tmp_path, tree)))
    data[int(len(data) * where)] ^= 0x10
    with pytest.raises(Unsafe):
        archive.extract(io.BytesIO(bytes(data)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_something_behind_the_end_is_refused(tmp_path, tree):
    data = packed(members(tmp_path, tree))
    for more in (b"junk", zstandard.ZstdCompressor().compress(b"another frame")):
        with pytest.raises(Unsafe):
            archive.verify(io.BytesIO(data + more))


def altered(files):
    files["one"] = b"2"


def missing(files):
    del files["one"]


def last_missing(files):
    del files["two"]


def extra(files):
    listed = files.pop(archive.CHECKSUMS_NAME)
    files |= {"three": b"3", archive.CHECKSUMS_NAME: listed}


def unlisted(files):
    del files[archive.CHECKSUMS_NAME]


def behind(files):
    files["three"] = b"3"


def without_manifest(files):
    del files[archive.MANIFEST_NAME]


def broken_manifest(files):
    files[archive.MANIFEST_NAME] = b"{"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (altered, "wrong checksum: one"),
        (missing, "expected one, found two"),
        (last_missing, "missing: two"),
        (extra, "does not name: three"),
        (unlisted, "no checksums"),
        (behind, "behind its checksums"),
        (without_manifest, "no manifest"),
        (broken_manifest, "manifest cannot be read"),
    ],
)
def test_an_archive_that_someone_changed_is_refused_with_the_reason(change, message):
    data = packed([Member("one", b"1"), Member("two", b"2")])
    with pytest.raises(Unsafe, match=message):
        archive.verify(io.BytesIO(repacked(data, change)))


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../up", "a/../../up", "a/..", "./a", "a//b", "a/./b", "..", ".", "a/"]
)
def test_a_member_that_leaves_its_folder_is_refused(tmp_path, name):
    data = zstandard.ZstdCompressor().compress(tarred(info(name)))
    with pytest.raises(Unsafe, match=r"leaves its folder|forbidden name"):
        archive.extract(io.BytesIO(data), tmp_path / "out")
    with pytest.raises(Unsafe):
        packed([Member(name, b"")])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "member",
    [
        info("link", tarfile.SYMTYPE, "/etc/passwd"),
        info("link", tarfile.LNKTYPE, "medialift/manifest.json"),
        info("device", tarfile.CHRTYPE),
        info("pipe", tarfile.FIFOTYPE),
        info("folder", tarfile.DIRTYPE),
    ],
    ids=lambda member: member.name,
)
def test_links_and_devices_are_refused(tmp_path, member):
    data = zstandard.ZstdCompressor().compress(tarred(member))
    with pytest.raises(Unsafe):
        archive.extract(io.BytesIO(data), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("names", [("one", "one"), ("one", "one/below"), ("one/below", "one")])
def test_a_member_given_twice_or_below_another_is_refused(tmp_path, names):
    data = packed([Member(name, b"1") for name in names])
    with pytest.raises(Unsafe, match=f"twice, or below another: {names[1]}"):
        archive.extract(io.BytesIO(data), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_stream_comes_out_as_it_is_and_nothing_is_left(tmp_path):
    data = packed([Member("noise", os.urandom(3 << 20))])

    class Breaking(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > len(data) // 2:
                raise Transient("The store broke off")
            return super().read(size)

    with pytest.raises(Transient, match="broke off"):
        archive.extract(Breaking(data), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    assert "unpack-ahead" not in [thread.name for thread in threading.enumerate()]


def test_a_folder_with_something_in_it_is_not_unpacked_into(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    with pytest.raises(Unsafe, match="not empty"):
        archive.extract(io.BytesIO(packed([])), tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "kept"


def test_a_file_that_vanishes_or_is_no_file_stops_the_writing(tmp_path):
    with pytest.raises(Transient, match="changed"):
        packed([Member("gone", tmp_path / "gone")])
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").mkdir()
    for name in ("link", "folder"):
        with pytest.raises(Permanent):
            packed([Member(name, tmp_path / name)])
    # Opening a pipe would wait for its other end.
    with pytest.raises(Permanent, match="not a regular file"):
        packed([Member("pipe", tmp_path / "pipe")])


def test_a_file_that_shrinks_while_it_is_read_stops_the_writing(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"x" * (9 << 20))

    class Shrinking(io.BytesIO):
        def write(self, data):
            os.truncate(path, 5 << 20)
            return super().write(data)

    with pytest.raises(Transient, match="changed while"):
        archive.write([Member("log", path)], Shrinking(), manifest={}, threads=0, level=1)

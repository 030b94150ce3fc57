"""Hashing of book files: what is told of each file, and of those that cannot be read."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from medialift.books.hashing import Hashed, hash_file
from medialift.errors import Permanent, Transient


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_000])
def test_a_file_has_the_hash_and_the_size_of_its_bytes(tmp_path, size):
    content = os.urandom(size)
    file = tmp_path / "a.epub"
    file.write_bytes(content)
    assert hash_file(file) == Hashed(hashlib.sha1(content).hexdigest(), size, file.stat().st_mtime_ns)


def test_a_name_that_is_no_utf8_is_a_name(tmp_path):
    file = tmp_path / os.fsdecode(b"Vojna \xe9 mir.epub")
    file.write_bytes(b"words")
    assert hash_file(file).size == 5


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("absent.epub", "The file is missing"),
        ("folder", "This is no file"),
        ("fifo", "This is no file"),
        ("loop", "The file is a link that leads nowhere"),
        ("n\x00ul.epub", "The name of the file is none"),
        ("half\ud83d.epub", "The name of the file is none"),
        ("x" * 300, "The name of the file is too long"),
    ],
)
def test_what_cannot_be_a_book_is_told_for_good_with_its_path(tmp_path, name, what):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(Permanent) as told:
        hash_file(tmp_path / name)
    assert told.value.what == what
    assert told.value.subject.startswith(str(tmp_path))
    told.value.subject.encode()
    assert "\x00" not in told.value.subject


def test_a_file_that_may_not_be_read_is_told_for_good(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(Permanent, match="may not be read"):
        hash_file(tmp_path / "a.epub")


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT])
def test_a_disk_that_does_not_give_a_file_now_is_asked_again_later(tmp_path, monkeypatch, number):
    file = tmp_path / "a.epub"
    file.write_bytes(b"words")

    def broken(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "readv", broken)
    with pytest.raises(Transient) as told:
        hash_file(file)
    assert told.value.subject == str(file)


def test_a_file_that_grows_while_it_is_read_is_noticed(tmp_path):
    file = tmp_path / "a.epub"
    file.write_bytes(bytes(3 << 20))

    def grow(read):
        if read == 1 << 20:
            with file.open("ab") as more:
                more.write(b"more")

    with pytest.raises(Transient, match="changed while it was read"):
        hash_file(file, going_on=grow)


def test_a_file_that_is_rewritten_in_its_size_while_it_is_read_is_noticed(tmp_path):
    file = tmp_path / "a.epub"
    file.write_bytes(bytes(2 << 20))
    os.utime(file, ns=(1, 1))

    def rewrite(read):
        if read == 1 << 20:
            file.write_bytes(b"\x01" * (2 << 20))

    with pytest.raises(Transient, match="changed while it was read"):
        hash_file(file, going_on=rewrite)


def test_a_link_to_the_file_made_meanwhile_is_no_change(tmp_path):
    file = tmp_path / "a.epub"
    file.write_bytes(bytes(2 << 20))
    assert hash_file(file, going_on=lambda read: (tmp_path / str(read)).hardlink_to(file)).size == 2 << 20


def test_what_the_caller_raises_ends_the_reading_and_closes_the_file(tmp_path):
    file = tmp_path / "a.epub"
    file.write_bytes(bytes(2 << 20))
    before = len(list(Path("/proc/self/fd").iterdir()))

    def enough(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hash_file(file, going_on=enough)
    assert len(list(Path("/proc/self/fd").iterdir())) == before

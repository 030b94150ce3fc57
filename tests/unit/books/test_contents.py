"""Contents of files: a large one is read in another way than a small one, and called the same."""

import asyncio
import errno
import hashlib

import pytest

from medialift.books import contents, hashing
from medialift.books.contents import SMALL, Changed, Missing, Unreadable
from medialift.books.means import kind_of
from medialift.errors import MedialiftError

SIZES = [10, SMALL + 10]


@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_hashed_and_read_again_in_pieces(tmp_path, size):
    file = tmp_path / "a.epub"
    file.write_bytes(b"x" * size)
    found = contents.read(file)

    async def read_again() -> bytes:
        return b"".join([piece async for piece in found.chunks()])

    assert (found.size, found.sha1) == (size, hashlib.sha1(b"x" * size).hexdigest())
    assert asyncio.run(read_again()) == b"x" * size and (found.whole is None) == (size > SMALL)


@pytest.mark.parametrize(
    ("number", "kind", "called"),
    [(errno.EIO, Unreadable, "unreadable"), (errno.ENOENT, Missing, "missing")],
)
def test_what_the_disk_says_of_a_large_file_is_called_as_with_a_small_one(
    tmp_path, monkeypatch, number, kind, called
):
    file = tmp_path / "a.epub"
    file.write_bytes(b"x" * SIZES[1])

    def broken(*_args):
        raise OSError(number, "no")

    monkeypatch.setattr(hashing.os, "readv", broken)
    with pytest.raises(MedialiftError) as caught:
        contents.read(file)
    assert (type(caught.value), kind_of(caught.value)) == (kind, called)


def test_a_large_file_that_is_written_to_while_it_is_hashed_is_changing(tmp_path, monkeypatch):
    file = tmp_path / "a.epub"
    file.write_bytes(b"x" * SIZES[1])
    readv = hashing.os.readv

    def while_it_grows(descriptor, buffers):
        with file.open("ab") as writing:
            writing.write(b"more")
        return readv(descriptor, buffers)

    monkeypatch.setattr(hashing.os, "readv", while_it_grows)
    with pytest.raises(Changed):
        contents.read(file)


def test_reading_a_large_file_is_told_piece_by_piece(tmp_path):
    file = tmp_path / "a.epub"
    file.write_bytes(b"x" * (3 * SMALL + 10))
    told: list[int] = []
    contents.read(file, moved=told.append)
    assert sum(told) == 3 * SMALL + 10 and len(told) >= 3

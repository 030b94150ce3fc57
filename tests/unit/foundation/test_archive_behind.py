"""Another thread compresses what this one has read: in its order, with its errors, and never left behind."""

from __future__ import annotations

import io
import os
import threading
import time

import pytest

from medialift.errors import Transient
from medialift.foundation import archive
from medialift.foundation.archive import Member
from medialift.foundation.archive.behind import BATCH, Behind
from medialift.foundation.archive.writer import _worthwhile_threads


@pytest.fixture(autouse=True)
def nobody_is_left():
    yield
    assert "write-behind" not in [thread.name for thread in threading.enumerate()]


def fill(behind: Behind, content: bytes) -> None:
    batch = behind.empty()
    batch[: len(content)] = content
    behind.give(batch, len(content))


@pytest.mark.parametrize("here", [False, True])
def test_batches_are_written_in_the_order_they_were_given(here):
    out = io.BytesIO()
    with Behind(out.write, here=here) as behind:
        for number in range(100):
            fill(behind, b"%d " % number)
        behind.finish()
    assert out.getvalue().split() == [b"%d" % number for number in range(100)]


def test_no_more_than_a_few_batches_wait():
    goes_on, given = threading.Event(), []
    with Behind(lambda _batch: goes_on.wait(60)) as behind:

        def give() -> None:
            for number in range(50):
                fill(behind, b"x")
                given.append(number)

        giver = threading.Thread(target=give)
        giver.start()
        time.sleep(0.2)
        waiting = len(given)
        goes_on.set()
        giver.join(60)
        behind.finish()
    assert 1 <= waiting < 10
    assert len(given) == 50


def test_an_error_comes_out_as_it_is_and_nothing_is_written_after_it():
    written = []

    def write(batch: memoryview) -> None:
        written.append(bytes(batch))
        if len(written) == 3:
            raise Transient("The store broke off")

    with Behind(write) as behind, pytest.raises(Transient, match="broke off"):
        for number in range(50):
            fill(behind, b"%d" % number)
        behind.finish()
    assert written == [b"0", b"1", b"2"]


def test_an_error_of_the_last_batch_is_not_lost():
    def write(batch: memoryview) -> None:
        raise OSError(28, "No space left on device")

    with Behind(write) as behind:
        fill(behind, b"x")
        with pytest.raises(OSError, match="No space left"):
            behind.finish()


def test_a_store_that_breaks_off_ends_the_writing_of_an_archive(tmp_path):
    path = tmp_path / "noise"
    path.write_bytes(os.urandom(BATCH * 20))

    class Breaking(io.BytesIO):
        def write(self, data):
            if self.tell() > BATCH * 5:
                raise Transient("The store broke off")
            return super().write(data)

    out = Breaking()
    with pytest.raises(Transient, match="broke off"):
        archive.write([Member("noise", path)], out, manifest={})
    assert len(out.getvalue()) < BATCH * 8


def test_a_member_that_cannot_be_read_lets_nothing_more_be_written(tmp_path):
    (tmp_path / "noise").write_bytes(os.urandom(BATCH * 3))
    out = io.BytesIO()
    with pytest.raises(Transient, match="changed"):
        archive.write(
            [Member("noise", tmp_path / "noise"), Member("gone", tmp_path / "gone")], out, manifest={}
        )
    with pytest.raises(Exception, match="truncated"):
        archive.verify(io.BytesIO(out.getvalue() or b"\x28\xb5\x2f\xfd"))


@pytest.mark.parametrize(("processors", "threads"), [(1, 0), (2, 0), (3, 3), (64, 64)])
def test_zstd_has_threads_of_its_own_where_there_are_processors_for_them(processors, threads):
    assert _worthwhile_threads(processors) == threads


@pytest.mark.parametrize("threads", [None, 0, 1, 3])
def test_nobody_can_tell_how_many_threads_an_archive_was_made_with(tmp_path, threads):
    (tmp_path / "large").write_bytes(os.urandom(BATCH * 3 + 7))
    for number in range(300):
        (tmp_path / f"{number}").write_bytes(os.urandom(number * 31))
    given = [Member(path.name, path) for path in sorted(tmp_path.iterdir())]
    out = io.BytesIO()
    written = archive.write(given, out, manifest={"format": 1}, threads=threads)
    verified = archive.verify(io.BytesIO(out.getvalue()))
    assert (verified.bytes, verified.sha256) == (written.bytes, written.sha256)
    assert (verified.members, verified.content_bytes) == (written.members, written.content_bytes)
    assert verified.members == 301

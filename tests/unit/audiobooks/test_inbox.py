"""A book is taken when it is quiet, and nothing follows from an inbox that cannot be seen."""

import os
import time
from pathlib import PurePosixPath

import pytest

from medialift.audiobooks import inbox
from medialift.audiobooks.inbox import Memory
from medialift.errors import Permanent, Transient
from tests.audiobook_folders import being_nobody, later, lay, reachable, settings_of, tracks


@pytest.fixture
def settings(tmp_path):
    return settings_of(tmp_path, wait=30)


def test_a_book_waits_until_nothing_of_it_changed_for_the_wait_time(settings):
    lay(settings.inbox / "Title", tracks(1, 2))
    now = time.time()
    early = inbox.scan(settings, now=now)
    assert (early.books, [one.key for one in early.waiting]) == ((), ["Title"])
    assert now < early.waiting[0].until <= now + 31
    assert [one.key for one in inbox.scan(settings, now=now + 31).books] == ["Title"]


def test_a_copy_that_keeps_old_times_is_still_a_copy_that_has_just_come(settings):
    folder = lay(settings.inbox / "Title", tracks(1, 2))
    for path in folder.iterdir():
        os.utime(path, (1e9, 1e9))
    assert inbox.scan(settings, now=time.time()).waiting


def test_a_quiet_book_is_taken_while_another_one_of_the_author_is_copied(settings):
    lay(settings.inbox / "Ada" / "Old", tracks(1))
    lay(settings.inbox / "Ada" / "New", tracks(1))
    now = time.time()
    os.utime(settings.inbox / "Ada" / "New" / tracks(1)[0], (now + 60, now + 60))
    scan = inbox.scan(settings, now=now + 40)
    assert [one.key for one in scan.books] == ["Ada/Old"]
    assert [one.key for one in scan.waiting] == ["Ada/New"]


def test_nothing_is_refused_while_it_is_copied(settings):
    lay(settings.inbox / "Title", {"CD1": tracks(1), "CD3": tracks(1)})
    assert not inbox.scan(settings, now=time.time()).refused
    assert inbox.scan(settings, now=later()).refused


def test_a_file_that_grows_between_two_looks_waits_though_its_time_is_old(settings):
    folder = lay(settings.inbox / "Title", {"01.mp3": 10})
    memory, now = Memory(), later()
    assert inbox.scan(settings, now=now, memory=memory).waiting
    (folder / "01.mp3").write_bytes(b"x" * 20)
    assert inbox.scan(settings, now=now + 31, memory=memory).waiting
    assert inbox.scan(settings, now=now + 62, memory=memory).books


def test_two_looks_that_see_the_same_are_enough_whatever_the_servers_clock_says(settings):
    folder = lay(settings.inbox / "Title", {"01.mp3": 10})
    os.utime(folder / "01.mp3", (4e9, 4e9))
    memory, now = Memory(), later()
    assert inbox.scan(settings, now=now, memory=memory).waiting
    assert inbox.scan(settings, now=now + 31, memory=memory).books


def test_a_file_with_a_time_in_the_future_waits_for_the_time_at_which_it_came(settings):
    folder = lay(settings.inbox / "Title", {"01.mp3": 10})
    os.utime(folder / "01.mp3", (4e9, 4e9))
    assert inbox.scan(settings, now=time.time()).waiting


def test_a_time_far_ahead_is_of_a_clock_that_is_wrong_and_is_not_waited_for(settings):
    folder = lay(settings.inbox / "Title", {"01.mp3": 10})
    os.utime(folder / "01.mp3", (4e9, 4e9))
    assert inbox.scan(settings, now=later()).books


@pytest.mark.parametrize("half", ["02.mp3.part", "02.mp3.crdownload", "02.mp3.!qB", ".02.mp3.aB3dE6"])
def test_a_book_waits_for_a_download_or_a_copy_that_is_under_way(settings, half):
    lay(settings.inbox / "Title", {"01.mp3": 10, half: 5})
    (one,) = inbox.scan(settings, now=later()).waiting
    assert half in one.why


def test_a_download_that_never_ended_is_said_after_a_day(settings):
    lay(settings.inbox / "Title", {"01.mp3": 10, "02.mp3.part": 5})
    (one,) = inbox.scan(settings, now=later() + 86_400).refused
    assert "02.mp3.part" in one.why and "02.mp3.part" in one.tree


def test_only_what_the_filter_finds_is_taken(settings):
    for name in ("Ada/Sea", "Ada/Land", "Bob/Sea"):
        lay(settings.inbox / name, tracks(1))
    settings = settings.model_copy(update={"match": "^Ada/S"})
    assert [one.key for one in inbox.scan(settings, now=later()).books] == ["Ada/Sea"]


def test_a_filter_that_is_none_is_said(settings):
    with pytest.raises(Permanent, match="no regular expression"):
        inbox.scan(settings.model_copy(update={"match": "("}), now=0)


def test_an_inbox_that_is_not_there_is_no_empty_inbox(settings):
    settings.inbox.rmdir()
    with pytest.raises(Transient, match="not there"):
        inbox.scan(settings, now=0)


def test_the_folder_below_a_mount_that_went_is_no_empty_inbox(settings):
    """As it was mounted when it was looked at before; to mount one takes rights that a test has not."""
    memory = Memory(seen={"Sea": (1, 2.0)}, mount=PurePosixPath(settings.inbox))
    with pytest.raises(Transient, match="not mounted"):
        inbox.scan(settings, now=0, memory=memory)
    assert memory.seen == {"Sea": (1, 2.0)}


def test_an_inbox_that_is_mounted_is_remembered_as_such(settings, other_file_system):
    memory = Memory()
    settings = settings.model_copy(update={"inbox": other_file_system})
    inbox.scan(settings, now=0, memory=memory)
    assert memory.mount == PurePosixPath("/dev/shm")
    inbox.scan(settings, now=0, memory=memory)


def test_a_folder_that_may_not_be_read_is_said_while_the_others_are_taken(settings, tmp_path):
    lay(settings.inbox / "Mine", tracks(1)).chmod(0)
    lay(settings.inbox / "Yours", tracks(1))
    lay(settings.inbox / "Half", tracks(1, 2))
    (settings.inbox / "Half" / tracks(2)[0]).chmod(0)
    reachable(tmp_path)
    with being_nobody():
        scan = inbox.scan(settings, now=later())
    assert [one.key for one in scan.books] == ["Yours"]
    assert [one.key for one in scan.refused] == ["Half", "Mine"]
    assert all("may not be read" in one.why for one in scan.refused)
    assert tracks(2)[0] in scan.refused[0].why
    (settings.inbox / "Mine").chmod(0o755)
    with being_nobody():
        assert [one.key for one in inbox.scan(settings, now=later()).books] == ["Mine", "Yours"]


def test_an_inbox_that_may_not_be_read_is_tried_again(settings, tmp_path):
    reachable(tmp_path)
    settings.inbox.chmod(0)
    with being_nobody(), pytest.raises(Transient, match="may not be read"):
        inbox.scan(settings, now=0)


def test_a_book_that_changed_is_another_one_when_it_is_looked_at_again(settings):
    folder = lay(settings.inbox / "Ada" / "Title", tracks(1, 2))
    (book,) = inbox.scan(settings, now=later()).books
    same = inbox.again(book, settings)
    assert same is not None and same.fingerprint == book.fingerprint
    lay(folder, tracks(3))
    other = inbox.again(book, settings)
    assert other is not None and other.fingerprint != book.fingerprint
    lay(folder / "CD1", tracks(1))
    assert inbox.again(book, settings) is None


def test_a_book_outside_of_the_inbox_is_looked_at_again_where_it_is(tmp_path, settings):
    folder = lay(tmp_path / "elsewhere" / "Title", tracks(1, 2))
    (book,) = inbox.understand(folder, folder.parent, settings)
    same = inbox.again(book, settings)
    assert same is not None and same.fingerprint == book.fingerprint


def test_a_path_with_no_book_is_said(tmp_path, settings):
    with pytest.raises(Permanent, match="nothing at this path"):
        inbox.understand(tmp_path / "none", tmp_path, settings)
    with pytest.raises(Permanent, match="no audiobook"):
        inbox.understand(lay(tmp_path / "empty", []), tmp_path, settings)

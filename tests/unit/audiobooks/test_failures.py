"""Errors that pass are tried again, others are not, and a book that failed says why."""

import errno
import subprocess

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medialift.audiobooks import failures, inbox
from medialift.audiobooks.failures import classify, delay, next_try
from medialift.errors import Permanent, Transient, Unsafe
from tests.audiobook_folders import later, lay, settings_of, tracks

WHY = Permanent("Track 3 is missing", "Ada/Sea", "Add it")
NOW = 1_790_000_000.0


@pytest.fixture
def settings(tmp_path):
    return settings_of(tmp_path)


def taken(settings, tree, key=None):
    lay(settings.inbox, tree)
    return {one.key: one for one in inbox.scan(settings, now=later()).books}[key or next(iter(tree))]


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (Transient("x"), "transient"),
        (Permanent("x"), "permanent"),
        (Unsafe("x"), "permanent"),
        (OSError(errno.ENOSPC, "full"), "transient"),
        (OSError(errno.EIO, "disk"), "transient"),
        (OSError(errno.ESTALE, "nfs"), "transient"),
        (OSError(errno.ENOTCONN, "fuse"), "transient"),
        (PermissionError(errno.EACCES, "no"), "transient"),
        (FileNotFoundError(errno.ENOENT, "gone"), "transient"),
        (OSError(errno.EROFS, "read-only"), "permanent"),
        (OSError(errno.ENAMETOOLONG, "name"), "permanent"),
        (OSError(errno.EXDEV, "odd"), "unknown"),
        (TimeoutError(), "transient"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "transient"),
        (subprocess.TimeoutExpired("ffmpeg", 3), "transient"),
        (httpx.ReadTimeout("slow"), "transient"),
        (httpx.UnsupportedProtocol("ftp"), "permanent"),
        (MemoryError(), "transient"),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "bad"), "permanent"),
        (ValueError("a mistake of ours"), "unknown"),
        (KeyError("x"), "unknown"),
    ],
)
def test_the_table_says_what_passes(error, verdict):
    assert classify(error) == verdict


def test_no_error_number_is_said_to_pass_and_to_last():
    assert not failures.PASSING & failures.LASTING


def test_each_wait_is_twice_the_one_before_up_to_an_hour():
    assert [delay(tries, 60) for tries in range(1, 9)] == [60, 120, 240, 480, 960, 1920, 3600, 3600]


@given(st.integers(0, 10**9), st.floats(0.001, 1e6))
def test_no_wait_is_longer_than_an_hour(tries, base):
    assert 0 < delay(tries, base) <= 3600


def test_an_error_that_passes_has_three_more_tries_and_an_unknown_one_has_one(settings):
    assert [next_try(Transient("x"), tries, settings) for tries in (1, 2, 3, 4)] == [60, 120, 240, None]
    assert [next_try(ValueError("x"), tries, settings) for tries in (1, 2)] == [60, None]
    assert next_try(Permanent("x"), 1, settings) is None
    off = settings.model_copy(update={"retry_transient": False})
    assert next_try(Transient("x"), 1, off) is None


def test_a_failed_book_lies_in_a_folder_with_its_time_and_a_text_that_says_all(settings):
    book = taken(settings, {"Ada": {"Sea": [*tracks(1, 2, 4), "cover.jpg"]}}, "Ada/Sea")
    folder = failures.put_aside(book, WHY, 1, settings, NOW)
    assert folder == settings.failed / "2026-09-21_141320 Sea"
    assert sorted(path.name for path in (folder / "Sea").iterdir()) == [*tracks(1, 2, 4), "cover.jpg"]
    assert list(settings.inbox.iterdir()) == []
    text = (folder / "FAILED_INFO.txt").read_text()
    for said in ("Track 3 is missing", "Add it", "Ada/Sea", "retry 'Ada/Sea'", str(book.root), "permanent"):
        assert said in text


def test_secrets_in_an_error_are_not_written_down(settings):
    book = taken(settings, {"Sea": tracks(1)})
    folder = failures.put_aside(book, ValueError("https://me:hunter22@host"), 2, settings, NOW)
    text = (folder / "FAILED_INFO.txt").read_text()
    assert "hunter22" not in text and "nobody foresaw it" in text


def test_putting_aside_twice_is_putting_aside_once(settings):
    book = taken(settings, {"Sea": tracks(1)})
    first = failures.put_aside(book, WHY, 1, settings, NOW)
    assert failures.put_aside(book, WHY, 1, settings, NOW) == first
    assert list(settings.failed.iterdir()) == [first]


def test_two_books_of_one_name_that_fail_in_the_same_second_have_a_folder_each(settings):
    one = taken(settings, {"Ada": {"Sea": tracks(1)}, "Bob": {"Sea": tracks(1)}}, "Ada/Sea")
    other = taken(settings, {}, "Bob/Sea")
    places = {failures.put_aside(book, WHY, 1, settings, NOW) for book in (one, other)}
    assert len(places) == 2
    assert failures.find("Bob/Sea", settings) in places


def test_a_book_that_was_changed_meanwhile_is_not_put_aside(settings):
    book = taken(settings, {"Sea": tracks(1, 2, 4)})
    lay(book.root, tracks(3))
    with pytest.raises(Transient, match="changed"):
        failures.put_aside(book, WHY, 1, settings, NOW)
    assert len(list(book.root.iterdir())) == 4
    assert list(settings.failed.iterdir()) == []


def test_a_failed_book_stays_when_it_is_not_to_be_moved(settings):
    book = taken(settings, {"Sea": tracks(1)})
    settings = settings.model_copy(update={"move_failed": False})
    assert failures.put_aside(book, WHY, 1, settings, NOW) == book.root
    assert book.root.exists() and not settings.failed.exists()


@pytest.mark.parametrize(
    ("tree", "key"),
    [
        ({"Ada": {"Sea": [*tracks(1), "cover.jpg"]}}, "Ada/Sea"),
        ({"Sea.m4b": 10, "Sea.jpg": 1}, "Sea.m4b"),
        ({"x" * 250: tracks(1)}, "x" * 250),
        ({'O\'Sea: "2" 🎧': tracks(1)}, 'O\'Sea: "2" 🎧'),
    ],
)
def test_a_failed_book_that_is_brought_back_is_the_same_book(settings, tree, key):
    book = taken(settings, tree, key)
    folder = failures.put_aside(book, WHY, 1, settings, NOW)
    assert failures.find(key, settings) == folder
    assert failures.bring_back(folder, book.root) == book.root
    again = {one.key: one for one in inbox.scan(settings, now=later()).books}[key]
    assert (again.fingerprint, again.extras) == (book.fingerprint, book.extras)
    assert list(settings.failed.iterdir()) == []
    assert failures.find(key, settings) is None


def test_a_failed_book_is_not_brought_back_over_another_one(settings):
    book = taken(settings, {"Sea": tracks(1)})
    folder = failures.put_aside(book, WHY, 1, settings, NOW)
    lay(book.root, tracks(9))
    with pytest.raises(Permanent, match="lies in the book's place"):
        failures.bring_back(folder, book.root)
    assert (folder / "Sea").exists()


def test_a_folder_without_a_book_brings_nothing_back(settings, tmp_path):
    with pytest.raises(Permanent, match="no book"):
        failures.bring_back(tmp_path, settings.inbox / "Sea")


def test_a_failed_book_on_another_file_system_is_copied_and_proven(settings, other_file_system):
    settings = settings.model_copy(update={"failed": other_file_system})
    book = taken(settings, {"Sea": {"CD1": tracks(1), "CD2": tracks(1)}})
    folder = failures.put_aside(book, WHY, 1, settings, NOW)
    assert len(list((folder / "Sea").rglob("*.mp3"))) == 2
    assert list(settings.inbox.iterdir()) == []

"""The ledger beside the server: what is missing there, what is there twice."""

import pytest

from medialift.books.server_comparison import Claimed, ServerComparison, Source, merge


def claimed(sha1, *, book=1, account="uploaded", source=None):
    return Claimed(sha1, 10, book, "EPUB", account, source)


def source(sha1, source_id, size=10):
    return Source(sha1, size, source_id)


def merged(ledger, server):
    found = ServerComparison("database")
    merge(ledger, server, found)
    return found


def test_every_file_that_the_server_has_once_agrees():
    found = merged([claimed("a", source=1), claimed("b", source=2)], [source("a", 1), source("b", 2)])
    assert (found.checked, found.present, found.missing) == (2, 2, 0)
    assert found.agrees


def test_a_file_that_the_server_does_not_have_is_named():
    found = merged([claimed("a", book=1), claimed("b", book=2), claimed("c", book=3)], [source("b", 2)])
    assert found.missing == 2
    assert found.examples["missing"] == ["1 EPUB (uploaded)", "3 EPUB (uploaded)"]
    assert not found.agrees


def test_the_same_content_of_another_size_is_another_content():
    assert merged([claimed("a")], [source("a", 1, size=11)]).missing == 1


def test_content_that_we_sent_twice_is_a_duplicate():
    found = merged([claimed("a", source=1)], [source("a", 1), source("a", 5), source("a", 6)])
    assert found.duplicates == 2
    assert found.examples["duplicates"] == ["sources 1, 5, 6"]


def test_what_the_server_had_twice_before_is_its_own_matter():
    assert merged([claimed("a", account="there")], [source("a", 1), source("a", 5)]).agrees


def test_two_books_with_the_same_content_share_its_one_source():
    found = merged([claimed("a", book=1, source=1), claimed("a", book=2, account="there")], [source("a", 1)])
    assert (found.checked, found.present) == (2, 2)
    assert found.agrees


def test_other_peoples_files_are_counted_and_nothing_more():
    found = merged([claimed("b")], [source("a", 1), source("b", 2), source("c", 3)])
    assert (found.sources, found.others) == (3, 2)
    assert found.agrees


def test_a_file_under_another_source_than_the_ledger_says_is_there_and_told():
    found = merged([claimed("a", source=9)], [source("a", 1)])
    assert (found.present, found.moved) == (1, 1)
    assert found.agrees


def test_files_that_come_in_no_order_are_never_compared():
    with pytest.raises(AssertionError, match="The files of the server come in no order"):
        merged([claimed("a")], [source("b", 1), source("a", 2)])

"""Each answer of the book server is taken for what it means, whatever its status says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from medialift.books.server import answers
from medialift.books.server.answers import (
    Answer,
    Attached,
    Broken,
    Existing,
    Refused,
    TooLarge,
    Unauthorized,
    Unsupported,
)
from medialift.errors import MedialiftError, Permanent, Transient


def answer(said: Any, status: int = 200) -> Answer:
    return Answer("POST /api/x", status, said if isinstance(said, str) else json.dumps(said))


def test_a_login_gives_tokens_that_show_nowhere():
    tokens = answers.login(answer({"access_token": "secret-a", "refresh_token": "secret-r"}))
    assert (tokens.access, tokens.refresh) == ("secret-a", "secret-r") and "secret" not in repr(tokens)


@pytest.mark.parametrize(("said", "status"), [({"error": "Invalid Login"}, 200), ("<html>", 400)])
def test_wrong_credentials_are_for_a_person_whatever_the_status(said: Any, status: int):
    with pytest.raises(Refused, match=r"books\.user"):
        answers.login(answer(said, status))


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ({"result": "ok"}, None),
        ({"error": "file already exists"}, Existing()),
        ({"error": "file too big"}, TooLarge),
        ({"error": "unsupported file type application/x-cbz, extension cbz"}, Unsupported),
        ({"error": "something new"}, Refused),
        ({"result": "?"}, Broken),
        ("<html>", Broken),
        ([], Broken),
    ],
)
def test_a_check_is_passed_only_by_an_ok(said: Any, meaning: Any):
    if isinstance(meaning, type):
        with pytest.raises(meaning):
            answers.checked(answer(said))
    else:
        assert answers.checked(answer(said)) == meaning


def test_an_upload_tells_where_it_lies_or_that_it_was_there():
    assert answers.uploaded(answer({"result": "ok", "file": "tmp1/a.epub"})) == "tmp1/a.epub"
    assert answers.uploaded(answer({"error": "file already exists"})) == Existing()
    with pytest.raises(Broken):
        answers.uploaded(answer({"result": "ok"}))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Unauthorized), (403, Refused), (413, TooLarge), (429, Broken), (500, Broken), (503, Broken)],
)
def test_a_status_means_what_may_have_been_done(status: int, kind: type[MedialiftError]):
    with pytest.raises(kind):
        answers.uploaded(answer("<html>", status))


def test_what_may_pass_by_itself_is_transient_and_the_rest_is_not():
    assert all(
        issubclass(one, Transient) for one in (Broken, Unauthorized, answers.Lost, answers.Unreachable)
    )
    assert all(issubclass(one, Permanent) for one in (Refused, TooLarge, Unsupported))


def test_an_upload_that_is_attached_gives_its_source_and_one_that_was_there_tells_where():
    assert answers.attached(answer({"id": 7})) == Attached(7)
    details = "Existing source 3 in ebook A Title (of 1999)(12)"
    told = {"error": "File already exists", "error_details": details}
    assert answers.attached(answer(told)) == Existing(3, 12)
    assert answers.attached(answer({"error": "File already exists"})) == Existing()
    assert answers.attached(answer("<html>", 404)) is None
    with pytest.raises(Broken):
        answers.attached(answer("<html>", 500))


@pytest.mark.parametrize("details", ["This entity {'name': 'x'} must have id", {"title": ["Too long"]}])
def test_an_ebook_that_is_refused_tells_why(details: Any):
    with pytest.raises(Refused, match="Invalid data"):
        answers.created(answer({"error": "Invalid data", "error_details": details}))


def test_the_sources_of_an_ebook_are_read_with_a_hash_or_without():
    shown = [
        {"id": 1, "format": "EPUB", "size": 5, "hash": "AB", "location": "x"},
        {"id": 2, "format": "pdf"},
    ]
    first, second = answers.sources(answer({"sources": shown})) or ()
    assert (first.sha1, first.format, second.sha1) == ("ab", "epub", "")
    assert answers.sources(answer("<html>", 404)) is None


def test_words_are_read_from_a_list_and_from_a_page():
    items = [{"id": 1, "code": "cs"}]
    assert (
        answers.named(answer(items), "code") == answers.named(answer({"items": items}), "code") == {"cs": 1}
    )

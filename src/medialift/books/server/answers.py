"""What an answer of MyBookshelf2 means: pure functions from a status and a body to a result or an error.

The server tells most of its errors inside answers of status 200, as `{"error": ...}`; so a status alone never
says that something was done. An answer that cannot be understood is an error, never a success.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medialift.errors import Permanent, Transient

_EXISTING = re.compile(r"Existing source (\d+) in ebook .*\((\d+)\)\s*$", re.DOTALL)


class Unreachable(Transient):
    """The request was not sent: nobody listens there. Nothing was done."""


class Lost(Transient):
    """The request was sent and its answer did not come: what was asked may have been done, or not."""


class Broken(Transient):
    """The server failed over the request (5xx): parts of what was asked may have been done."""


class Unauthorized(Transient):
    """The token is not taken (any more). Nothing was done."""


class TooLarge(Permanent):
    """The file is larger than the server takes."""


class Unsupported(Permanent):
    """The server has no such format."""


class Refused(Permanent):
    """The server understood and said no; the same request will be refused again."""


class NotLetIn(Refused):
    """The name or the password is wrong: nothing that is asked with them has a fault of its own."""


@dataclass(frozen=True)
class Answer:
    """One answer: its status, and its body as text.

    Attributes:
        what: the request in a few words, for messages ("POST /api/upload").
    """

    what: str
    status: int
    text: str


@dataclass(frozen=True)
class Tokens:
    """What a login gives. Secrets."""

    access: str
    refresh: str

    def __repr__(self) -> str:
        return "Tokens(…)"


@dataclass(frozen=True)
class Attached:
    """An upload became this source of the ebook."""

    source_id: int


@dataclass(frozen=True)
class Existing:
    """The content is on the server already: which source of which ebook, as far as the answer told."""

    source_id: int | None = None
    ebook_id: int | None = None


@dataclass(frozen=True)
class Source:
    """A file of an ebook on the server. `sha1` is "" where the server does not show it."""

    id: int
    format: str
    size: int
    sha1: str
    location: str


@dataclass(frozen=True)
class ListedEbook:
    """An ebook in a list. `last_names` are those of its authors."""

    id: int
    title: str
    last_names: frozenset[str]


@dataclass(frozen=True)
class Listed:
    """A page of ebooks, and how many there are in all."""

    total: int
    ebooks: tuple[ListedEbook, ...]


@dataclass(frozen=True)
class UploadRow:
    """What a finished metadata task left on the server."""

    id: int
    file: str
    sha1: str
    size: int


def body(answer: Answer) -> Any:
    """The JSON of an answer of status 200, its errors included.

    Raises:
        Unauthorized, Broken, Refused: by its status.
        Broken: it is no JSON.
    """
    raise_for_status(answer)
    try:
        return json.loads(answer.text)
    except ValueError:
        raise Broken(
            "The book server answered something that is no JSON", answer.what, _MAYBE_PROXY
        ) from None


_MAYBE_PROXY = "Look whether the address of the server is right and what stands before it"


def raise_for_status(answer: Answer) -> None:
    """Nothing for a status below 300; else the error that it means."""
    status = answer.status
    if status < 300:
        return
    subject = f"{answer.what}: {status}"
    if status == 401:
        raise Unauthorized("The book server does not take the token", subject)
    if status == 413:
        raise TooLarge("The request is larger than the book server takes", subject, _RAISE)
    if status in (408, 425, 429) or status >= 500:
        raise Broken("The book server failed over a request", subject, "Look at the server's log")
    raise Refused("The book server refused a request", subject, "Look at the server's log")


_RAISE = "Raise the server's MAX_CONTENT_LENGTH, then books.max_upload, and retry what was too large"


def told(answer: Answer) -> Mapping[str, Any]:
    """The object of an answer without an error in it.

    Raises:
        Refused: it says `error`.
        Broken, Unauthorized: as `body`; also when it is no object.
    """
    found = body(answer)
    if not isinstance(found, dict):
        raise Broken("The book server answered something else than was asked", answer.what, _MAYBE_PROXY)
    if "error" in found:
        details = found.get("error_details")
        said = f"{found['error']} ({details})" if details else str(found["error"])
        raise Refused("The book server said no", f"{answer.what}: {said}")
    return found


def login(answer: Answer) -> Tokens:
    """The tokens of a login.

    Raises:
        NotLetIn: the name or the password is wrong, which the server says in an answer of status 200.
    """
    if answer.status in (400, 401):
        raise NotLetIn("The book server does not let us in", "login", _CREDENTIALS)
    try:
        found = told(answer)
    except Refused as error:
        raise NotLetIn("The book server does not let us in", "login", _CREDENTIALS) from error
    try:
        return Tokens(str(found["access_token"]), str(found.get("refresh_token", "")))
    except KeyError:
        raise Broken("The book server gave no token at the login", "login", _MAYBE_PROXY) from None


_CREDENTIALS = "Set books.user and books.password to those of a user who may upload"


def checked(answer: Answer) -> Existing | None:
    """What `upload/check` says: None when the content is new to the server and would be taken.

    Raises:
        TooLarge, Unsupported: it would not be taken.
    """
    return _taken(answer)


def uploaded(answer: Answer) -> str | Existing:
    """The name under which the server keeps an upload (`tmpXXXX/name.epub`), or that it had the content.

    Raises:
        TooLarge, Unsupported: it was not taken.
    """
    found = _taken(answer)
    if found is not None:
        return found
    name = json.loads(answer.text).get("file")
    if not name:
        raise Broken("The book server did not say where it put an upload", answer.what)
    return str(name)


def _taken(answer: Answer) -> Existing | None:
    raise_for_status(answer)
    found = body(answer)
    said = str(found.get("error", "")) if isinstance(found, dict) else ""
    lowered = said.lower()
    if "already exists" in lowered:
        return Existing()
    if "too big" in lowered:
        raise TooLarge("The file is larger than the book server takes", answer.what, _RAISE)
    if "unsupported" in lowered:
        raise Unsupported("The book server does not take this kind of file", said)
    if said:
        raise Refused("The book server said no", f"{answer.what}: {said}")
    if not isinstance(found, dict) or found.get("result") != "ok":
        raise Broken("The book server answered something else than was asked", answer.what, _MAYBE_PROXY)
    return None


def created(answer: Answer) -> int:
    """The id of a new ebook."""
    found = told(answer)
    try:
        return int(found["id"])
    except (KeyError, TypeError, ValueError):
        raise Broken("The book server gave no id for a new ebook", answer.what) from None


def attached(answer: Answer) -> Attached | Existing | None:
    """What became of an upload: a source, one that was there before; None when it or the ebook is gone.

    A repeated request finds its upload gone, because the first one, whose answer was lost, has used it up.
    """
    if answer.status == 404:
        return None
    found = body(answer)
    if not isinstance(found, dict):
        raise Broken("The book server answered something else than was asked", answer.what, _MAYBE_PROXY)
    if "already exists" in str(found.get("error", "")).lower():
        match = _EXISTING.search(str(found.get("error_details", "")))
        return Existing(int(match[1]), int(match[2])) if match else Existing()
    found = told(answer)
    try:
        return Attached(int(found["id"]))
    except (KeyError, TypeError, ValueError):
        raise Broken("The book server gave no id for a new source", answer.what) from None


def sources(answer: Answer) -> tuple[Source, ...] | None:
    """The sources of an ebook; None when there is no such ebook."""
    if answer.status == 404:
        return None
    return tuple(
        Source(
            id=int(one["id"]),
            format=str(one.get("format", "")).lower(),
            size=int(one.get("size") or 0),
            sha1=str(one.get("hash") or "").lower(),
            location=str(one.get("location") or ""),
        )
        for one in told(answer).get("sources") or ()
    )


def listed(answer: Answer) -> Listed:
    """A page of ebooks."""
    found = told(answer)
    items = found.get("items") or ()
    return Listed(int(found.get("total", len(items))), tuple(_listed(one) for one in items))


def _listed(one: Mapping[str, Any]) -> ListedEbook:
    names = frozenset(str(author.get("last_name") or "") for author in one.get("authors") or ())
    return ListedEbook(int(one["id"]), str(one.get("title", "")), names)


def named(answer: Answer, key: str) -> dict[str, int]:
    """{code or name: id} of the languages or genres; the server gives them as a list or as pages."""
    found = body(answer)
    items = found.get("items", ()) if isinstance(found, dict) else found
    return {str(one[key]): int(one["id"]) for one in items}


def upload_row(answer: Answer) -> UploadRow | None:
    """What a metadata task left; None when there is no such row (any more)."""
    if answer.status == 404:
        return None
    found = told(answer)
    return UploadRow(
        id=int(found["id"]),
        file=str(found.get("file", "")),
        sha1=str(found.get("hash") or "").lower(),
        size=int(found.get("size") or 0),
    )

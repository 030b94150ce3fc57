"""A MyBookshelf2 for tests: one for all tests of a process, empty before each, or one of a test's own."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from sandbox.mybookshelf import Standin, running

EPUB = "application/epub+zip"


@pytest.fixture(scope="session")
def running_bookshelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """One stand-in for all tests of a process that do not stop it."""
    with running(tmp_path_factory.mktemp("bookshelf") / "data") as standin:
        yield standin


@pytest.fixture
def bookshelf(running_bookshelf: Standin) -> Standin:
    """That stand-in as fresh: no books, no faults, usual switches, nothing counted."""
    running_bookshelf.empty()
    return running_bookshelf


@pytest.fixture
def bookshelf_of_test(tmp_path: Path) -> Iterator[Standin]:
    """A stand-in of this test alone, which may stop, kill and start it."""
    with running(tmp_path / "bookshelf") as standin:
        yield standin


def epub(
    title: str = "A Book",
    authors: Sequence[str] = ("Ann Writer",),
    *,
    language: str = "en",
    subjects: Sequence[str] = (),
    series: tuple[str, str] | None = None,
    cover: bytes | None = None,
    salt: str = "",
) -> bytes:
    """A small EPUB with this metadata; `salt` makes its content another one."""
    tags = [f"<dc:title>{escape(title)}</dc:title>", f"<dc:language>{escape(language)}</dc:language>"]
    tags += [f"<dc:creator>{escape(name)}</dc:creator>" for name in authors]
    tags += [f"<dc:subject>{escape(subject)}</dc:subject>" for subject in subjects]
    if series:
        tags.append(f'<meta name="calibre:series" content="{escape(series[0])}"/>')
        tags.append(f'<meta name="calibre:series_index" content="{escape(series[1])}"/>')
    items = ""
    if cover is not None:
        tags.append('<meta name="cover" content="the-cover"/>')
        items = '<item id="the-cover" href="cover.jpg" media-type="image/jpeg"/>'
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="2.0">'
        f'<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">{"".join(tags)}</metadata>'
        f"<manifest>{items}</manifest></package>"
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
        '<rootfile full-path="content.opf" media-type="application/oebps-package+xml"/>'
        "</rootfiles></container>"
    )
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("content.opf", package)
        archive.writestr("text.txt", salt)
        if cover is not None:
            archive.writestr("cover.jpg", cover)
    return made.getvalue()


def sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


class Caller:
    """One who is logged in to a stand-in and does by hand what a client would."""

    def __init__(self, standin: Standin, user: str = "", password: str = "") -> None:
        self.standin = standin
        # Plain HTTP: loading the authorities would take longer than most tests.
        self.http = httpx.Client(base_url=standin.url, timeout=20, trust_env=False, verify=False)
        said = {"username": user or standin.user, "password": password or standin.password}
        self.tokens: dict[str, str] = self.http.post("/login", json=said).json()
        self.token = self.tokens["access_token"]

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request with the token, below /api."""
        headers = {"Authorization": f"bearer {self.token}", **more.pop("headers", {})}
        return self.http.request(method, f"/api/{path}", headers=headers, **more)

    def get(self, path: str, **more: Any) -> Any:
        answer = self.ask("GET", path, **more)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Any) -> Any:
        answer = self.ask("POST", path, json=body)
        answer.raise_for_status()
        return answer.json()

    def check(self, content: bytes, **more: Any) -> httpx.Response:
        said = {"size": len(content), "hash": sha1(content), "mime_type": EPUB, "extension": "epub", **more}
        return self.ask(
            "POST", "upload/check", json={key: value for key, value in said.items() if value is not None}
        )

    def upload(self, content: bytes, name: str = "book-1.epub", mime_type: str = EPUB) -> httpx.Response:
        return self.ask("POST", "upload", files={"file": (name, content, mime_type)})

    def socket(self, session: str = "", token: str = "") -> ClientConnection:
        query = f"?token={token or self.token}" + (f"&session_id={session}" if session else "")
        return connect(self.standin.ws_url + query, max_size=None, proxy=None)

    def described(self, file: str, proposed: dict[str, Any] | None = None) -> dict[str, Any]:
        """The last update of a metadata task."""
        with self.socket() as socket:
            return call(socket, "metadata", file, proposed or {})[-1]

    def uploaded(self, content: bytes, proposed: dict[str, Any] | None = None, **more: Any) -> int:
        """Upload and describe a file; the upload's number."""
        answer = self.upload(content, **more).json()
        assert answer.get("result") == "ok", answer
        update = self.described(answer["file"], proposed)
        assert update["status"] == "success", update
        return int(update["result"])

    def ebook(self, title: str = "A Book", **more: Any) -> int:
        said = {"title": title, "language": {"id": 2}, "authors": [{"last_name": "Writer"}], **more}
        return int(self.post("ebooks", said)["id"])

    def add(self, ebook: int, upload: int) -> httpx.Response:
        return self.ask("POST", f"ebooks/{ebook}/add-upload", json={"upload_id": upload})

    def migrated(self, content: bytes, title: str = "A Book", **more: Any) -> tuple[int, int]:
        """All of it: the numbers of a new ebook and its source."""
        upload = self.uploaded(content)
        ebook = self.ebook(title, **more)
        return ebook, int(self.add(ebook, upload).json()["id"])


def call(socket: ClientConnection, task: str, *arguments: Any) -> list[Any]:
    """Call a task and read on to its end: the reply's task id or the error, then the updates."""
    socket.send(json.dumps([7, task, {"args": list(arguments)}]))
    seen: list[Any] = []
    while True:
        kind, call_id, *rest = json.loads(socket.recv(timeout=10))
        assert call_id == 7
        seen.append(rest[0])
        if kind == "e" or (kind == "m" and rest[0]["status"] in ("success", "error")):
            return seen


@pytest.fixture
def caller(bookshelf: Standin) -> Iterator[Caller]:
    """The administrator at the stand-in that tests share."""
    made = Caller(bookshelf)
    yield made
    made.http.close()

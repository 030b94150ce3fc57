"""A MyBookshelf2 for tests: one for all tests of a process, empty before each, or one of a test's own."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from sandbox.mybookshelf import Standin, running


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

"""Small book files: a real EPUB of one chapter, and what begins like a PDF, an FB2 and the rest."""

from __future__ import annotations

import io
import zipfile
from xml.sax.saxutils import escape

_CONTAINER = (
    '<?xml version="1.0"?><container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
    '<rootfiles><rootfile full-path="content.opf" media-type="application/oebps-package+xml"/></rootfiles>'
    "</container>"
)
# One moment for all members, so that the same words give the same bytes.
_MOMENT = (2020, 1, 1, 0, 0, 0)


def of(format: str, title: str, author: str, words: str) -> bytes:
    """A file of this format ("EPUB"); the same arguments give the same bytes, other words give others."""
    title, author, words = (_plain(text) for text in (title, author, words))
    match format.upper():
        case "EPUB":
            return epub(title, author, words)
        case "FB2":
            return (
                '<?xml version="1.0" encoding="utf-8"?>'
                '<FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0"><description><title-info>'
                f"<author><nickname>{escape(author)}</nickname></author><book-title>{escape(title)}"
                "</book-title></title-info></description><body><section><p>"
                f"{escape(words)}</p></section></body></FictionBook>"
            ).encode()
        case "PDF":
            return f"%PDF-1.4\n% {title} - {author}\n{words}\n%%EOF\n".encode()
        case "RTF":
            return f"{{\\rtf1 {words.encode('ascii', 'replace').decode()}}}".encode()
        case _:
            return f"{format.upper()}\n{title}\n{author}\n{words}\n".encode()


def epub(title: str, author: str, words: str) -> bytes:
    """An EPUB 2 that readers open: a package and one chapter."""
    package = (
        '<?xml version="1.0"?><package version="2.0" unique-identifier="id" xmlns="http://www.idpf.org/2007/opf">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:identifier id="id">urn:medialift:sandbox'
        f"</dc:identifier><dc:title>{escape(title)}</dc:title><dc:creator>{escape(author)}</dc:creator>"
        '<dc:language>en</dc:language></metadata><manifest><item id="c" href="c.xhtml" '
        'media-type="application/xhtml+xml"/></manifest><spine><itemref idref="c"/></spine></package>'
    )
    chapter = (
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>1</title></head><body>'
        f"<p>{escape(words)}</p></body></html>"
    )
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, text in (
            ("mimetype", "application/epub+zip"),
            ("META-INF/container.xml", _CONTAINER),
            ("content.opf", package),
            ("c.xhtml", chapter),
        ):
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), text)
    return whole.getvalue()


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\x00", "")

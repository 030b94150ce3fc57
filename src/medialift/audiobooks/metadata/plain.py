"""Descriptions as plain text: shops send HTML, and players show its tags as they are."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser

_PARAGRAPHS = frozenset(
    ("p", "div", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "table", "section", "article")
)
_LINES = frozenset(("br", "li", "tr", "hr"))
_UNSEEN = frozenset(("script", "style", "head", "title", "template", "noscript"))
_MARKUP = re.compile(r"</?[a-zA-Z][^>]*>|&(?:#\d+|#x[0-9a-fA-F]+|[a-zA-Z]+);")
_KEPT_CONTROLS = "\n\t"


def is_markup(text: str) -> bool:
    """Whether the text holds a tag or an entity of HTML."""
    return bool(_MARKUP.search(text))


def plain_text(html: str) -> str:
    """The text of a piece of HTML: paragraphs parted by an empty line, items of lists each on a line.

    Text without any markup keeps its lines. What is not closed, nested wrongly or unknown is read as browsers
    read it: its words stay. Control characters and those that turn the direction of writing are left out.
    """
    if not is_markup(html):
        return _tidy(html)
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return _tidy("".join(reader.pieces))


def one_line(text: str) -> str:
    """A name or a title: plain text on one line, blanks made one."""
    return " ".join(plain_text(text).split())


def without_controls(text: str) -> str:
    """The text without characters that nobody sees and that make a terminal or a player do something."""
    return "".join(
        one for one in text if one in _KEPT_CONTROLS or unicodedata.category(one) not in ("Cc", "Cf", "Cs")
    )


def _tidy(text: str) -> str:
    text = without_controls(text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " "))
    lines = [" ".join(line.split()) for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Reader(HTMLParser):
    """Gathers the words, and a line break wherever a browser would begin a new line."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag in _PARAGRAPHS:
            self.pieces.append("\n\n")
        elif tag in _LINES:
            self.pieces.append("\n- " if tag == "li" else "\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _UNSEEN:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen = max(0, self._unseen - 1)
        elif tag in _PARAGRAPHS:
            self.pieces.append("\n\n")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            # Line breaks of the source are blanks in HTML.
            self.pieces.append(re.sub(r"\s+", " ", data))

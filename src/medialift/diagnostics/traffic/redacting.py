"""What may be kept of a request and its answer: names of headers always, secrets never."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import SplitResult, parse_qsl, quote, urlsplit

from medialift.foundation.text import MASK, redact

_LONGEST_HEADER, _LONGEST_ADDRESS, _LONGEST_TEXT = 300, 600, 300
_REMEMBERED = 512
SLACK = 4096
"""Bytes read of a body beyond those that are kept: what is cut is looked through before it is cut."""

# Names of headers and of parameters whose value nobody may see. More than needed rather than less,
# but for what every search of a catalogue has: author and keywords.
_SECRET_NAME = re.compile(
    r"auth(?!ors?$)|token|cookie|secret|key(?!words?$)|passw|passphrase|signature|^sig$|credential|session|^code$",
    re.IGNORECASE,
)
# A server says in these what it wants, and nothing that anybody gave it.
_NO_SECRET = ("www-authenticate", "proxy-authenticate", "access-control-allow-headers")
# Which scheme it was is half of what one wants to know of a login that is refused.
_SCHEMES = ("basic", "bearer", "digest", "mediabrowser", "emby", "token", "apikey", "negotiate")
_ADDRESSES = ("location", "content-location", "referer")
_TEXTUAL = ("text/", "/json", "/xml", "application/problem", "+json", "+xml", "urlencoded")


class Redactor:
    """Masks what one record is told. It remembers headers, which are the same again and again.

    Args:
        secrets: values that are known to be secret, wherever they turn up.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = tuple(sorted({one for one in secrets if len(one) >= 4}))
        self._headers: dict[tuple[str, str], str] = {}

    def header(self, name: str, value: str) -> str:
        """`Name: value` as it may be kept."""
        known = self._headers.get((name, value))
        if known is None:
            known = f"{name}: {self._value(name.lower(), value)}"
            if len(self._headers) < _REMEMBERED:
                self._headers[name, value] = known
        return known

    def headers(self, pairs: Iterable[tuple[str, str]]) -> list[str]:
        """All of them, in their order."""
        return [self.header(name, value) for name, value in pairs]

    def address(self, url: str) -> str:
        """An address without a name, a password, or a secret in its parameters."""
        try:
            parts = urlsplit(url)
            shown = self._host(parts) + redact(parts.path, self._secrets)
        except ValueError:
            return self.text(url)
        if parts.query:
            pairs = [self._parameter(*one) for one in parse_qsl(parts.query, keep_blank_values=True)]
            shown += "?" + "&".join(pairs)
        return _short(shown, _LONGEST_ADDRESS)

    def text(self, words: str, longest: int = _LONGEST_TEXT) -> str:
        """A sentence of somebody else's: an error's, a server's."""
        return _short(redact(words, self._secrets), longest)

    def body(self, beginning: bytes, whole: bool, kind: str, encoding: str, longest: int) -> str:
        """The beginning of a body, as text.

        Args:
            beginning: up to `longest` + SLACK bytes, as they came.
            whole: whether that is all there was.
            kind, encoding: its Content-Type and Content-Encoding.
        """
        if not beginning or not longest:
            return ""
        clear = _decoded(beginning, encoding)
        if clear is None or not _is_text(clear, kind):
            return f"({kind or 'bytes'}, not text)"
        text = redact(clear.decode("utf-8", "replace"), self._secrets)
        if not whole:
            # Half a secret at the end is not known for one: the end was read for this, and goes.
            text = text[: max(0, len(text) - SLACK)]
        return _short(text, longest)

    def _value(self, name: str, value: str) -> str:
        if name in _ADDRESSES:
            return self.address(value)
        if _SECRET_NAME.search(name) and name not in _NO_SECRET:
            scheme = value.split(" ", 1)[0]
            return f"{scheme} {MASK}" if scheme.lower() in _SCHEMES and scheme != value else MASK
        return _short(redact(value, self._secrets), _LONGEST_HEADER)

    def _host(self, parts: SplitResult) -> str:
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{host}{port}" if host else ""

    def _parameter(self, name: str, value: str) -> str:
        shown = MASK if _SECRET_NAME.search(name) and value else redact(value, self._secrets)
        return f"{quote(name, safe='')}={quote(shown, safe='*/:,')}"


def _decoded(body: bytes, encoding: str) -> bytes | None:
    """The body without its compression, as far as it goes; None when we do not know this one."""
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "deflate"):
        return None
    with suppress(zlib.error, EOFError, gzip.BadGzipFile):
        # 32: either header. An answer that expands without end is not followed.
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(body, 16 * SLACK)
    return None


def _is_text(body: bytes, kind: str) -> bool:
    small = kind.lower()
    return b"\x00" not in body and (not small or any(one in small for one in _TEXTUAL))


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + "…"

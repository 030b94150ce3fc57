"""Text: what may be shown. Secrets are masked before a line reaches a log, a report or a screen."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = "*****"

# Names whose value is a secret wherever it is written: `--password x` is not caught (secrets never go in
# argv here), `password=x`, `"password": "x"`, `password: x` and `PASSWORD='x'` are.
_NAMES = (
    r"[\w.-]*(?:password|passwd|passphrase|secret|secret[_-]?key|api[_-]?key|auth[_-]?token|access[_-]?token"
    r"|session[_-]?token|private[_-]?key|x-plex-token|plexonlinetoken|x-amz-signature|x-amz-credential"
    r"|x-amz-security-token)"
)

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(
            r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
        ),
        rf"\1{MASK}\2",
    ),
    # Authorization: Bearer x / Basic x / AWS4-HMAC-SHA256 Credential=..., the whole rest of the line.
    (re.compile(r"(?i)\b((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?)[^\"'\r\n]+"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer)\s+[\w.~+/-]{8,}=*"), rf"\1 {MASK}"),
    # https://user:password@host
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+@"), rf"\1{MASK}@"),
    (re.compile(r"\bclaim-[A-Za-z0-9_-]{6,}"), f"claim-{MASK}"),
    (re.compile(r"\bSCW[A-Z0-9]{17}\b"), f"SCW{MASK}"),
    (re.compile(r"\bAKIA[A-Z0-9]{16}\b"), f"AKIA{MASK}"),
    (
        re.compile(rf"(?i)(?<![\w.-])({_NAMES}[\"']?\s*[:=]\s*)(\"[^\"]*\"|'[^']*'|[^\s\"'&,;)}}\]]+)"),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)\b(token=)[^\s\"'&,;)}\]]+"), rf"\1{MASK}"),
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with secrets masked.

    Args:
        text: anything: a log line, an error message, a whole file.
        secrets: values known to be secret; they are masked literally and as they look in a URL. Values
            shorter than four characters are left alone: masking every "a" tells more than it hides.

    Masked by their shape: X-Plex-Token and PlexOnlineToken, `claim-…`, Scaleway and AWS access keys,
    Authorization headers, passwords in URLs, S3 signatures, private keys, and anything written as
    `password=…`, `"secret_key": …` and the like.
    """
    known = {
        form for value in secrets if len(value) >= 4 for form in (value, quote(value, ""), quote_plus(value))
    }
    for value in sorted(known, key=len, reverse=True):
        text = text.replace(value, MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text

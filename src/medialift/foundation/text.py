"""Text: what may be shown. Secrets are masked before a line reaches a log, a report or a screen."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

MASK = "*****"

# Names whose value is a secret wherever it is written: `--password x` is not caught (secrets never go in
# argv here), `password=x`, `"password": "x"`, `password: x` and `PASSWORD='x'` are. What stands before a name
# is of no matter: `rclone_password`, `authenticationToken` and `aws_secret_access_key` end in one as well.
_NAMES = (
    r"password2?|passwd|passphrase|pass|secret|secret[_-]?key|secret[_-]?access[_-]?key|client[_-]?secret"
    r"|access[_-]?key(?:[_-]?id)?|account[_-]?key|api[_-]?key|private[_-]?key|sas[_-]?url"
    r"|service[_-]?account[_-]?credentials|token|x-amz-signature|x-amz-credential|awsaccesskeyid|signature"
    r"|set-cookie|cookie"
)
# Alone these are words of many sentences ("no token: get one"): then only `token=` and `pass =` count.
_WORDS = ("token", "pass", "signature")
# `=`, `:`, `=>`, and `=` as an address writes it within an address; JSON within JSON has backslashes.
_VALUED = re.compile(
    rf"(?P<name>{_NAMES})\\*[\"']?[ \t]*(?P<sign>[:=]>?|%3d)[ \t]*"
    r"(?:\"(?P<double>(?:[^\"\\]|\\.)*)|'(?P<single>(?:[^'\\]|\\.)*)"
    r"|\\+[\"'](?P<inner>[^\"'\\]*)"
    # Neither a word of JSON nor what opens an object or a list: names inside are looked at by themselves.
    r"|(?P<bare>(?!(?:true|false|null|none)(?:[\s,;)}\]]|$))(?![{\[][ \t]*(?:\\*[\"']|[{}\[\]]|$))"
    r"[^\s\"'&,;)}\]\\]+))"
)


@dataclass(frozen=True)
class _Rule:
    """What to mask, and words (small letters) of which a line holds one if the pattern can match at all.

    Looking for a word is fifty times as fast as looking for a pattern, and logs are large.
    """

    words: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str


_RULES: tuple[_Rule, ...] = (
    # Authorization: Bearer x / Basic x / AWS4-HMAC-SHA256 Credential=..., the whole rest of the line.
    _Rule(
        ("authorization",),
        re.compile(r"(?i)\b((?:proxy-)?authorization\\*[\"']?\s*[:=]\s*\\*[\"']?)[^\"'\\\r\n]+"),
        rf"\1{MASK}",
    ),
    _Rule(("bearer",), re.compile(r"(?i)\b(bearer)\s+[\w.~+/-]{8,}=*"), rf"\1 {MASK}"),
    # https://user:password@host, also with an @ in the password
    _Rule(("://",), re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/]+@"), rf"\1{MASK}@"),
    _Rule(("claim-",), re.compile(r"\bclaim-[A-Za-z0-9_-]{6,}"), f"claim-{MASK}"),
    _Rule(("scw",), re.compile(r"\bSCW[A-Z0-9]{17}\b"), f"SCW{MASK}"),
    _Rule(("akia", "asia"), re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"), rf"\1{MASK}"),
    # The key of a language model's API.
    _Rule(("sk-",), re.compile(r"\bsk-[\w-]{16,}"), f"sk-{MASK}"),
    # A signed token (RFC 7519), whatever its name is.
    _Rule(("eyj",), re.compile(r"\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*"), MASK),
)
_VALUED_WORDS = ("pass", "secret", "key", "token", "x-amz", "signature", "cookie", "sas", "credentials")

_PRIVATE_KEY = re.compile(
    r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with secrets masked.

    Args:
        text: anything: a log line, an error message, a whole file.
        secrets: values known to be secret; they are masked literally and as they look in a URL, in JSON and
            in XML. Values shorter than four characters are left alone: masking every "a" tells more than it
            hides.

    Masked by their shape, line by line: X-Plex-Token and PlexOnlineToken, `claim-…`, Scaleway and AWS access
    keys, `sk-…`, Authorization headers, cookies, passwords in URLs, S3 signatures, signed tokens, private
    keys, and anything written as `password=…`, `"secret_key": …`, `secret_access_key = …` and the like.
    """
    known = {form for value in secrets if len(value) >= 4 for form in _forms(value)}
    for value in sorted(known, key=len, reverse=True):
        text = text.replace(value, MASK)
    if "PRIVATE KEY-----" in text:
        text = _PRIVATE_KEY.sub(rf"\1{MASK}\2", text)
    return "".join(map(_masked, text.splitlines(keepends=True)))


def _forms(value: str) -> tuple[str, ...]:
    return (value, quote(value, ""), quote_plus(value), json.dumps(value)[1:-1], html.escape(value))


def _masked(line: str) -> str:
    small = _small(line)
    for rule in _RULES:
        if any(word in small for word in rule.words):
            line = rule.pattern.sub(rule.replacement, line)
            small = _small(line)
    if any(word in small for word in _VALUED_WORDS):
        line = _without_values(line, small)
    return line


def _without_values(line: str, small: str) -> str:
    """The line without the values of names; `small` is the same in small letters, place by place."""
    kept, at = [], 0
    for found in _VALUED.finditer(small):
        begin = found.start("name")
        alone = begin == 0 or not (small[begin - 1].isalnum() or small[begin - 1] in "_-")
        if found["name"] in _WORDS and alone and found["sign"].startswith(":"):
            continue
        begin, end = found.span(found.lastgroup or "bare")
        kept += [line[at:begin], MASK]
        at = end
    return "".join([*kept, line[at:]])


def _small(line: str) -> str:
    small = line.lower()
    if len(small) == len(line):
        return small
    # A few letters become two when they are made small: those stay as they are, so that places agree.
    return "".join(one.lower() if len(one.lower()) == 1 else one for one in line)

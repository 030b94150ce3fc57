"""Which errors a log repeats: its lines without what differs from one time to the next, counted.

Lines are whatever a book, a server or an attacker made a worker log: they are cut first, every pattern takes
time in proportion to the line, and nothing is concluded from them here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from medialift.healing.evidence import Pattern

LONGEST_LINE = 500
"""Characters of a line that count."""
_MOST = 20

# What journalctl (short-iso) and our own logs put before a message.
_JOURNAL = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.,+-]+Z? \S+ [^\s:\[]+(?:\[\d+\])?: ")
_OURS = re.compile(r"^\d{4}-\d\d-\d\d[ T][\d:.,]+(?:Z|[+-][\d:]+)? ")
_LEVEL = re.compile(
    r"^(?:[\w.]+:? )?(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL|FATAL)\b:?\s*(?:[\w.]+: )?", re.IGNORECASE
)
_QUIET = ("debug", "info")
_BAD = re.compile(
    r"\b(?:errors?|critical|fatal|exception|warning|fail(?:s|ed|ure)?|refused|denied|timed? ?out|locked"
    r"|killed|oom|broken|lost|cannot|unable|segmentation|no space)\b|[a-z](?:Error|Exception|Warning)\b",
    re.IGNORECASE,
)
_HEADS = ("Traceback (most recent call last)", "During handling of the above", "The above exception was")

_ALIKE = (
    (re.compile(r"\b[a-z][a-z0-9+.-]{1,15}://[^\s\"'<>…]+", re.IGNORECASE), "an address"),
    (re.compile(r"(?<!\w)\"[^\"]*\"(?!\w)|(?<!\w)'[^']*'(?!\w)"), "'…'"),
    (re.compile(r"(?<![\w/.…])/[^\s\"'<>,;:()…]+"), "/…"),
    (re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})*"), "somebody@…"),
    (re.compile(r"\b[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}\b", re.IGNORECASE), "#"),
    (re.compile(r"\b0x[\da-f]+\b|\b(?=[a-f]*\d)[\da-f]{8,}\b", re.IGNORECASE), "#"),
    (re.compile(r"\d+(?:[.,:]\d+)*"), "#"),
    (re.compile(r"\s+"), " "),
)


def patterns(lines: Iterable[str]) -> tuple[Pattern, ...]:
    """The errors and warnings among some lines, the most frequent first; of equals the newest.

    A line counts by its level when it has one, and else by its words. Of a traceback its last line counts.
    """
    counts: Counter[str] = Counter()
    newest: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        told = message(line)
        if not told.strip() or told[0].isspace() or told.startswith(_HEADS):
            continue
        if not is_error(told):
            continue
        text = alike(told)
        counts[text] += 1
        newest[text] = (number, told)
    ordered = sorted(counts, key=lambda text: (-counts[text], -newest[text][0]))
    return tuple(Pattern(text, counts[text], newest[text][1]) for text in ordered[:_MOST])


def message(line: str) -> str:
    """A line without when it was written and by which program."""
    line = line[:LONGEST_LINE]
    return _OURS.sub("", _JOURNAL.sub("", line, count=1), count=1)


def is_error(told: str) -> bool:
    """Whether a message is an error or a warning."""
    level = _LEVEL.match(told)
    return _BAD.search(told) is not None if level is None else level["level"].lower() not in _QUIET


def alike(told: str) -> str:
    """A message without its level and without numbers, names, paths and addresses: the same for all alike."""
    text = _LEVEL.sub("", told, count=1) or told
    for pattern, instead in _ALIKE:
        text = pattern.sub(instead, text)
    return text.strip()

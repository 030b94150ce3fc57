"""What a check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass

OK, WARN, FAIL, SKIPPED = "ok", "warn", "fail", "skipped"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what was looked at, in two or three words.
        status: ok, warn (jobs run, but a person should look), fail (jobs will), skipped (not needed).
        detail: what was found, one sentence.
        advice: what to do about it; empty when there is nothing to do.
    """

    check: str
    status: str
    detail: str
    advice: str = ""

    def to_dict(self) -> dict[str, str]:
        """{check, status, detail, advice}."""
        return asdict(self)

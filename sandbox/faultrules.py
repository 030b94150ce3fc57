"""What the fault proxy does to which requests, and what it counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

ACTIONS = ("pass", "reset", "status403", "status404", "status503", "truncate", "refuse", "hang", "slow")


class BadRule(ValueError):
    """A rule that cannot be carried out; the message says why."""


@dataclass(frozen=True)
class Rule:
    """One fault.

    Args:
        match: a regular expression searched in `METHOD /path?query`, still encoded.
        action: `pass` lets the request through, for exceptions from an older rule; `reset` breaks the
            connection with RST; `status403`, `status404` and `status503` answer as S3 does (AccessDenied,
            NoSuchKey, SlowDown); `truncate` closes in the middle of a body; `refuse` stops listening,
            whatever `match` says; `hang` accepts and never answers, until all rules are removed; `slow` sends
            bodies at a rate.
        after_bytes: how many bytes of the bodies pass, in either direction, before reset, truncate or hang
            take hold; 0 means before the request reaches the store (truncate: right after the reply's head).
        times: how many requests it is for; None means until it is removed.
        bytes_per_second: the rate of `slow`.
    """

    match: str
    action: str
    after_bytes: int = 0
    times: int | None = None
    bytes_per_second: int = 64 * 1024

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise BadRule(f"no such action: {self.action!r}; there are {', '.join(ACTIONS)}")
        if self.action == "refuse" and self.times is not None:
            raise BadRule("refused connections are never seen, so they cannot be counted: leave `times` out")
        if self.after_bytes < 0 or self.bytes_per_second < 1 or (self.times is not None and self.times < 1):
            raise BadRule("after_bytes must be 0 or more, times and bytes_per_second 1 or more")
        try:
            re.compile(self.match)
        except re.error as fault:
            raise BadRule(f"match is not a regular expression: {fault}") from fault

    @classmethod
    def of(cls, content: Any) -> Rule:
        """A rule from JSON.

        Raises:
            BadRule: it is not an object, or holds an unknown or a wrong value.
        """
        if not isinstance(content, Mapping):
            raise BadRule("a rule is an object")
        kinds: dict[str, type | tuple[type, ...]] = {
            "match": str,
            "action": str,
            "after_bytes": int,
            "times": (int, type(None)),
            "bytes_per_second": int,
        }
        for name, value in content.items():
            if name not in kinds:
                raise BadRule(f"unknown: {name!r}")
            if not isinstance(value, kinds[name]) or isinstance(value, bool):
                raise BadRule(f"{name} has the wrong type")
        if "action" not in content:
            raise BadRule("action is missing")
        return cls(**{"match": "", **content})


@dataclass
class Rules:
    """The rules in force; of those that match a request the newest wins."""

    active: list[Rule] = field(default_factory=list)
    generation: int = 0
    """How often all were removed: what hangs waits for this to change."""
    _used: dict[int, int] = field(default_factory=dict)

    def add(self, rule: Rule) -> None:
        self.active.append(rule)

    def clear(self) -> None:
        self.active.clear()
        self._used.clear()
        self.generation += 1

    def take(self, request: str) -> Rule | None:
        """The rule for this request (`METHOD /path?query`), which it uses up once."""
        for rule in reversed(self.active):
            if rule.action != "refuse" and re.search(rule.match, request):
                self._use(rule)
                return None if rule.action == "pass" else rule
        return None

    @property
    def refusing(self) -> bool:
        return any(rule.action == "refuse" for rule in self.active)

    def to_list(self) -> list[dict[str, Any]]:
        return [asdict(rule) for rule in self.active]

    def _use(self, rule: Rule) -> None:
        if rule.times is None:
            return
        used = self._used.get(id(rule), 0) + 1
        self._used[id(rule)] = used
        if used >= rule.times:
            self.active = [other for other in self.active if other is not rule]
            self._used.pop(id(rule), None)


@dataclass
class Counters:
    """What went through: requests, body bytes sent to clients, body bytes received from them."""

    requests: int = 0
    bytes: int = 0
    uploaded: int = 0
    by_action: Counter[str] = field(default_factory=Counter)
    by_method: Counter[str] = field(default_factory=Counter)

    def to_dict(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "bytes": self.bytes,
            "uploaded": self.uploaded,
            "by_action": dict(self.by_action),
            "by_method": dict(self.by_method),
        }

"""Faults that are switched on and off from outside.

POST /_sandbox/faults {"kind", "zone", "commercial_type", "match", "times", "seconds", "status"}

    out_of_stock   no server of this type in this zone (`"at": "poweron"`: found out only when it starts)
    quota          the organization may have no more of them
    rate_limit     429 with Retry-After: `seconds`
    error          `status` (default 503) with an HTML page, as a proxy before the API answers
    not_json       200 with an HTML page
    silent         accepted and never answered
    slow           answered after `seconds`
    cut            the request is carried out, and the connection closed without an answer

`match` is a regular expression on "METHOD path". `times` is how often it strikes; without it, for ever.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .problems import invalid_request

STOCK = ("out_of_stock", "quota")
WIRE = ("rate_limit", "error", "not_json", "silent", "slow", "cut")


@dataclass
class Fault:
    kind: str
    zone: str = ""
    commercial_type: str = ""
    match: str = ""
    at: str = "create"
    times: int | None = None
    seconds: float = 1.0
    status: int = 503
    lifted: threading.Event = field(default_factory=threading.Event, repr=False)

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "lifted"}


class Faults:
    """The faults that are switched on, in the order they were."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._on: list[Fault] = []

    def add(self, wanted: Mapping[str, Any]) -> Fault:
        known = {"kind", "zone", "commercial_type", "match", "at", "times", "seconds", "status"}
        unknown = set(wanted) - known
        if unknown or wanted.get("kind") not in STOCK + WIRE:
            raise invalid_request(f"no such fault: {dict(wanted)}")
        fault = Fault(**wanted)
        with self._lock:
            self._on.append(fault)
        return fault

    def clear(self) -> None:
        """Switch all off; requests held by a silent fault end."""
        with self._lock:
            for fault in self._on:
                fault.lifted.set()
            self._on.clear()

    def list(self) -> list[dict[str, Any]]:
        with self._lock:
            return [fault.to_dict() for fault in self._on]

    def on_wire(self, line: str) -> Fault | None:
        """The fault that strikes this "METHOD path"."""
        return self._take(lambda fault: fault.kind in WIRE and re.search(fault.match, line) is not None)

    def on_stock(self, zone: str, commercial_type: str, at: str) -> Fault | None:
        """The fault that strikes a server of this type in this zone `at` create or poweron."""
        return self._take(
            lambda fault: (
                fault.kind in STOCK
                and fault.zone in ("", zone)
                and fault.commercial_type in ("", commercial_type)
                and fault.at == at
            )
        )

    def shortage(self, zone: str, commercial_type: str) -> bool:
        """Whether availability says so. A fault at poweron is one that availability did not foresee."""
        with self._lock:
            return any(
                fault.kind == "out_of_stock"
                and fault.zone in ("", zone)
                and fault.commercial_type in ("", commercial_type)
                and fault.at == "create"
                for fault in self._on
            )

    def _take(self, strikes: Any) -> Fault | None:
        with self._lock:
            for fault in self._on:
                if strikes(fault):
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self._on.remove(fault)
                    return fault
        return None

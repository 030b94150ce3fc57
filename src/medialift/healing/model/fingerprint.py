"""Whether two pieces of evidence say the same: then a second question would bring no other answer."""

from __future__ import annotations

import hashlib
import re

from medialift.healing.evidence import Evidence

_NUMBERS = re.compile(r"0x[\da-fA-F]+|\d+")
_FRAMES = 12


def fingerprint(evidence: Evidence) -> str:
    """A digest of what ails a worker, whatever worker it is, without ages, counts and addresses."""
    server = evidence.server
    parts = [
        evidence.worker.pipeline,
        evidence.verdict.trouble or "",
        evidence.worker.phase,
        evidence.worker.resting,
        *sorted({one.text for one in evidence.patterns}),
        *(f"{mount.path} {mount.state}" for mount in evidence.mounts),
        "" if server is None else f"{server.name} {server.ok} {server.why}",
        "blocked" if evidence.blocked else "",
        *evidence.stack[:_FRAMES],
    ]
    return hashlib.sha256("\0".join(_NUMBERS.sub("#", part) for part in parts).encode()).hexdigest()

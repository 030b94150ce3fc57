"""What a job's traffic means: how much of it went well, what failed and why, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medialift.diagnostics.traffic.advice import recommendations
from medialift.diagnostics.traffic.figures import Figures
from medialift.diagnostics.traffic.patterns import patterns


def summary(
    figures: Figures, *, pipeline: str, seconds: float, environment: Mapping[str, Any]
) -> dict[str, Any]:
    """The analysis, as JSON. Every number in it is counted from all requests, kept one by one or not."""
    found = patterns(figures)
    advice = recommendations(figures, found, pipeline=pipeline, seconds=seconds, environment=environment)
    return {
        "duration_seconds": round(seconds, 3),
        "total_requests": figures.requests,
        "successful_requests": figures.good,
        "failed_requests": figures.failed,
        "expected_absences": figures.expected,
        "cancelled_requests": figures.cancelled,
        "unfinished_requests": figures.unfinished,
        "success_rate_percent": figures.success_percent,
        "status_code_breakdown": dict(sorted(figures.by_status.items())),
        "error_breakdown": dict(sorted(figures.by_error.items())),
        "attempts": {
            "retried": figures.retried,
            "recovered": figures.recovered,
            "resent_by_client": figures.resent,
        },
        "timing": {
            "mean_seconds": round(figures.seconds / figures.requests, 4) if figures.requests else None,
            "median_seconds": figures.within(0.5),
            "p95_seconds": figures.within(0.95),
            "slowest_seconds": round(figures.slowest, 4) if figures.requests else None,
        },
        "session_events": {
            "created": figures.sessions_created,
            "reused": figures.sessions_reused,
            "connections_new": figures.connections_new,
            "connections_reused": figures.connections_reused,
        },
        "failing_items": [
            {"item": item, "failures": failures, "last": last}
            for item, (failures, last) in sorted(figures.items.items(), key=lambda one: -one[1][0])
        ][:30],
        "failure_patterns": [one.to_dict() for one in found],
        "recommendations": [one.to_dict() for one in advice],
    }


def of_records(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The summary of a job out of all its records: several workers may have worked on it.

    Args:
        documents: at least one.
    """
    figures = Figures.sum(Figures.of(one["figures"]) for one in documents)
    environment: dict[str, Any] = {}
    for one in documents:
        environment |= one.get("environment") or {}
    first, last = documents[0], documents[-1]
    seconds = max(float(one.get("duration_seconds") or 0.0) for one in documents)
    return {
        "job_id": first["job"],
        "pipeline": str(first.get("pipeline", "")),
        "label": str(first.get("label", "")),
        "state": _state([str(one.get("state", "")) for one in documents]),
        "started": min(str(one["started"]) for one in documents),
        "ended": max(str(one.get("ended") or "") for one in documents),
        "workers": sorted({str(one["worker"]) for one in documents if one.get("worker")}),
        "records": len(documents),
        "left_out": sum(int(one.get("left_out") or 0) for one in documents),
        "environment": environment,
        "client": {name: last[name] for name in ("medialift", "python", "host") if name in last},
        **summary(figures, pipeline=str(first.get("pipeline", "")), seconds=seconds, environment=environment),
    }


def _state(states: Sequence[str]) -> str:
    """running while one of them is, broken off when one is, else finished."""
    return next((one for one in ("running", "broken off") if one in states), "finished")

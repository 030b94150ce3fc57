"""The report as a page and as data: one HTML file that needs nothing else, and one JSON file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import jinja2

from medialift.foundation import atomic
from medialift.foundation.units import format_duration, format_size
from medialift.plex.report import charts
from medialift.plex.report.model import Report

TEMPLATES = Path(__file__).parent / "templates"
"""`pictures.html.j2` there draws what `charts` has measured, for other pages too."""


def render(report: Report) -> str:
    """The page: no script, no font, no image, no style from anywhere else."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {**FILTERS, "moment": _moment}
    return environment.get_template("report.html.j2").render(
        report=report,
        timeline=charts.timeline(report.phases),
        latency=charts.latency(report.reads),
        money=charts.money(report),
        begun=min((phase.started for phase in report.phases if phase.started is not None), default=None),
        before=sum(section.items_before for section in report.sections),
        after=sum(section.items_after for section in report.sections),
        deleted=sum(section.newly_deleted for section in report.sections),
        lossy=[section for section in report.sections if section.deletions.told],
    )


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0")


def _euro(amount: float) -> str:
    """Cents, or what is smaller than a cent down to a hundredth of one."""
    fine = f"{amount:.4f}".rstrip("0")
    return f"{amount:.2f} €" if amount >= 0.1 or len(fine) < 4 else f"{fine} €"


FILTERS: Mapping[str, Callable[..., str]] = {
    "size": format_size,
    "duration": format_duration,
    "count": lambda number: f"{number:,}",
    "change": lambda number: f"{number:+,}".replace("-", "−") if number else "±0",
    "euro": _euro,
    "px": lambda number: f"{number:.2f}".rstrip("0").rstrip("."),
}
"""What the pictures say figures with."""


def write(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write report.html and report.json into a folder, made when absent; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    page, data = folder / "report.html", folder / "report.json"
    atomic.write_text(page, render(report))
    atomic.write_json(data, report.to_dict())
    return page, data

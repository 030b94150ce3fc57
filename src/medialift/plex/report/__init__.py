"""The report of a run: what happened, in numbers (report.json) and in pictures (report.html)."""

from medialift.plex.report.build import build, load_inputs
from medialift.plex.report.model import Report, ReportInputs
from medialift.plex.report.notices import notices
from medialift.plex.report.page import render, write

__all__ = ["Report", "ReportInputs", "build", "load_inputs", "notices", "render", "write"]

"""The kinds of jobs that work on a Plex library, and what runs each; imported only when it does."""

from __future__ import annotations

EXPORT, IMPORT, RUN = "plex-export", "plex-import", "plex-run"

REGISTRY = {
    EXPORT: "medialift.plex.export_job:run_job",
    IMPORT: "medialift.plex.restore.job:run_job",
    RUN: "medialift.plex.run:run_job",
}

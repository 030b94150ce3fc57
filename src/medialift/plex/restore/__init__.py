"""Bring an archive back: into home's Plex without ever making it worse, or into an empty one in the cloud.

An import stages the archive beside the library and proves it there; only then Plex is stopped, for the time
of some renames. Every rename is on a list that is on disk before the first one, so whatever happens the old
library comes back whole, or the new one is there whole.
"""

from medialift.plex.restore.history import History, Imported
from medialift.plex.restore.home import Home, connect
from medialift.plex.restore.importing import Options, Outcome, Prediction, import_library, predict
from medialift.plex.restore.injection import Injected, inject
from medialift.plex.restore.job import run_job
from medialift.plex.restore.layout import LibraryFolder
from medialift.plex.restore.source import ArchiveSource, find
from medialift.plex.restore.undoing import Recovered, recover, rollback

__all__ = [
    "ArchiveSource",
    "History",
    "Home",
    "Imported",
    "Injected",
    "LibraryFolder",
    "Options",
    "Outcome",
    "Prediction",
    "Recovered",
    "connect",
    "find",
    "import_library",
    "inject",
    "predict",
    "recover",
    "rollback",
    "run_job",
]

"""Scheduled tasks started by hand: 200 started, 202 running already, 404 unknown; sonic analysis too."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from sandbox.plex import media, rows
from sandbox.plex.scanner import Job

if TYPE_CHECKING:
    from sandbox.plex.server import MediaServer

TASKS = (
    "AutomaticUpdates",
    "BackupDatabase",
    "ButlerTaskGenerateAdMarkers",
    "ButlerTaskGenerateCreditsMarkers",
    "ButlerTaskGenerateIntroMarkers",
    "ButlerTaskGenerateVoiceActivity",
    "CleanOldBundles",
    "CleanOldCacheFiles",
    "DeepMediaAnalysis",
    "GarbageCollectBlobs",
    "GarbageCollectLibraryMedia",
    "GenerateBlurHashes",
    "GenerateChapterThumbs",
    "GenerateMediaIndexFiles",
    "LoudnessAnalysis",
    "MusicAnalysis",
    "OptimizeDatabase",
    "RefreshEpgGuides",
    "RefreshLibraries",
    "RefreshLocalMedia",
    "RefreshPeriodicMetadata",
    "UpgradeMediaAnalysis",
)
# What a task shows in /activities while it runs.
SHOWN = {
    "ButlerTaskGenerateIntroMarkers": "media.generate.intros",
    "ButlerTaskGenerateCreditsMarkers": "media.generate.credits",
    "ButlerTaskGenerateVoiceActivity": "media.generate.voice.activity",
    "GenerateMediaIndexFiles": "media.generate.bif",
    "GenerateChapterThumbs": "media.generate.chapter.thumbs",
}
BACKUPS_KEPT = 4


class Butler:
    """Runs each task in a thread of its own, at most once at a time."""

    def __init__(self, server: MediaServer) -> None:
        self.server = server
        self._lock = Lock()
        self._running: dict[str, Event] = {}

    def start(self, task: str) -> int:
        """Start a task. Returns the HTTP status: 200 started, 202 running already, 404 unknown."""
        if task not in TASKS:
            return 404
        with self._lock:
            if task in self._running:
                return 202
            stop = self._running[task] = Event()
        Thread(target=self._run, args=(task, stop), name=f"butler-{task}", daemon=True).start()
        return 200

    def stop(self, task: str) -> int:
        """Ask a task to stop. 404 when it is unknown or does not run."""
        with self._lock:
            if task not in self._running:
                return 404
            self._running[task].set()
        return 200

    def stop_all(self) -> None:
        with self._lock:
            for stop in self._running.values():
                stop.set()

    def running(self) -> list[str]:
        with self._lock:
            return sorted(self._running)

    def _run(self, task: str, stop: Event) -> None:
        server = self.server
        try:
            with server.activities.showing(SHOWN.get(task, f"butler.{task}"), task) as activity:
                if task == "MusicAnalysis":
                    self._analyse_music(stop)
                elif task == "BackupDatabase":
                    self._backup()
                elif task == "RefreshLibraries":
                    self._refresh_libraries()
                else:
                    end = time.monotonic() + server.pace.butler_task
                    while (left := end - time.monotonic()) > 0 and not self._stopped(stop, min(0.2, left)):
                        activity.progress = int(100 - 100 * left / server.pace.butler_task)
        except Exception as failed:
            server.log(f"Butler task {task} failed: {failed!r}")
        finally:
            with self._lock:
                del self._running[task]

    def _stopped(self, stop: Event, seconds: float) -> bool:
        return stop.wait(seconds) or self.server.stopping.is_set()

    def _analyse_music(self, stop: Event) -> None:
        """Work off the whole backlog of tracks, when the server is claimed, paid for and allowed to."""
        server = self.server
        if (
            not server.preferences.claimed
            or not server.switches["plex_pass"]
            or server.preferences.get("MusicAnalysisBehavior") == "never"
        ):
            server.log(
                "Sonic analysis: nothing to do (not claimed, no Plex Pass, or MusicAnalysisBehavior=never)"
            )
            return
        done = 0
        for track, file in self._backlog():
            while (stall := server.switches["sonic_stalls_after"]) is not None and done >= stall:
                if self._stopped(stop, 0.1):
                    return
            if self._stopped(stop, server.pace.sonic_track):
                return
            try:
                media.read(file, server.switches.media_error)
            except OSError as failed:
                server.log(f"Sonic analysis cannot read {file}: {failed.strerror}")
                continue
            with server.library.writing_both() as (con, blobs):
                if con.execute("SELECT 1 FROM metadata_items WHERE id=?", (track,)).fetchone():
                    rows.add_sonic(con, blobs, track, int(time.time()), json_form=server.library.json_form)
            done += 1
        server.log(f"Sonic analysis: {done} tracks done")

    def _backlog(self) -> list[tuple[int, str]]:
        """(track, file) of every track without an analysis, in sections whose toggle is on."""
        with self.server.library.reading() as con:
            return [
                (row[0], row[1])
                for row in con.execute(
                    "SELECT i.id, min(p.file) FROM metadata_items i "
                    "JOIN media_items m ON m.metadata_item_id=i.id "
                    "JOIN media_parts p ON p.media_item_id=m.id "
                    "JOIN library_sections s ON s.id=i.library_section_id "
                    "WHERE i.metadata_type=? AND i.deleted_at IS NULL AND p.deleted_at IS NULL "
                    "AND coalesce(i.extra_data, '') NOT LIKE '%musicAnalysisVersion%' "
                    "AND coalesce(s.user_fields, '') NOT LIKE '%pr%3AmusicAnalysis=0%' "
                    "GROUP BY i.id ORDER BY i.id",
                    (rows.TRACK,),
                )
            ]

    def _backup(self) -> None:
        """A dated copy beside each database; the oldest go."""
        library = self.server.library
        day = datetime.now(UTC).strftime("%Y-%m-%d")
        for copy in library.backup(library.folder / ".backup"):
            copy.replace(library.folder / f"{copy.name}-{day}")
            dated = sorted(library.folder.glob(f"{copy.name}-????-??-??"))
            for old in dated[:-BACKUPS_KEPT]:
                old.unlink()
        (library.folder / ".backup").rmdir()

    def _refresh_libraries(self) -> None:
        with self.server.library.reading() as con:
            sections = [row[0] for row in con.execute("SELECT id FROM library_sections ORDER BY id")]
        for section in sections:
            self.server.queue(Job(section))

"""The memory of a conversion of 1,000 tracks: of it and of all programs that it runs, at the worst moment.

It is the sum of what each process has of its own and of its share of what several of them have in common
(PSS): programs of the same libraries hold these only once. It is looked at ten times a second.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from medialift.foundation.waiting import wait_until
from sandbox.audiobooks.recordings import speak

from .figure import Figure

GROUP = "audiobooks"

_TRACKS, _SPOKEN = 1000, 20
_ROOT = Path(__file__).resolve().parent.parent
_WORKER = """
import json, sys
from pathlib import Path
from threading import Event
from medialift.audiobooks import encode, plan, probe, programs
from medialift.settings import AudiobooksSettings
given = json.loads(sys.argv[1])
folder, found = Path(given["folder"]), programs.found()
sources = probe.probe_all([Path(path) for path in given["tracks"]], found)
sources = [sources[number % len(sources)] for number in range(given["number"])]
decided = plan.decide(sources, AudiobooksSettings(), encoders=programs.encoders(found))
done = encode.convert(sources, decided, folder / "book.m4b", work=folder / "work", cores=2, programs=found,
                      stop=Event(), timeout=3600)
assert len(done.samples) == given["number"]
"""


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        tracks = [
            speak(
                f"Track {number}. The harbour lay still.",
                Path(folder) / f"{number}.mp3",
                seconds=3 + number / 9,
            )
            for number in range(_SPOKEN)
        ]
        given = {"folder": folder, "tracks": [str(one.path) for one in tracks], "number": _TRACKS}
        worker = subprocess.Popen([sys.executable, "-c", _WORKER, json.dumps(given)], cwd=_ROOT)
        largest = 0

        def ended() -> bool:
            nonlocal largest
            largest = max(largest, _shared_fairly(worker.pid))
            return worker.poll() is not None

        wait_until(ended, at_most=1800, every=0.1)
        if worker.wait(10):
            raise RuntimeError("The conversion failed")
    yield Figure(f"a book of {_TRACKS:,} tracks: memory of all its processes", largest / 1e6, "MB", "<= 300")


def _shared_fairly(pid: int) -> int:
    """Bytes of a process and its children."""
    parents = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError, IndexError):
                stat = (process / "stat").read_text().rpartition(")")[2]
                parents[int(process.name)] = int(stat.split()[1])
    family = [pid, *(child for child, parent in parents.items() if parent == pid)]
    return sum(_pss(one) for one in family)


def _pss(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0

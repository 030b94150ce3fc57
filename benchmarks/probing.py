"""What the guard costs while Plex scans through a mount: bytes at the store, counted by the proxy before it.

The same section is scanned twice through a real rclone mount, without a guard and with one. The scan is
shorter than that of a real section, so the time between two probes is shortened in the same measure.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medialift.plex.scan import Times
from tests import incident_world
from tests.incident_world import IncidentWorld
from tests.store_world import StoreWorld, store_world

from .figure import Figure

GROUP = "plex"

FILMS = 2400
# A scan reads the head and the tail of a file, 64 KiB each, and a probe one piece: neither gets more of one
# that is many times as large, since rclone fetches a chunk for each read.
_SIZE = 70_000
# What a scan of cloud storage gets through: each file costs it a few answers of the store.
_FILES_A_SECOND = 10.0


def measure() -> Iterator[Figure]:
    """All that the guard reads from the beginning of a scan until its result is believed."""
    with tempfile.TemporaryDirectory() as folder, store_world() as store:
        incident_world.fill(store, FILMS, _SIZE)
        plain, result = _scan(Path(folder) / "plain", store, None)
        seconds = sum(phase["seconds"] for phase in result["phases"] if phase["name"] == "scan Movies")
        every = Times.probe_every * _FILES_A_SECOND / FILMS * seconds
        guarded, result = _scan(Path(folder) / "guarded", store, every)
    probes = result["mounts"]["probes"]
    yield Figure(
        f"probing during a scan of {FILMS} files ({probes} probes, and the last reading after it), bytes at "
        "the store / bytes of the scan",
        100.0 * (guarded - plain) / plain,
        "%",
        "<= 1",
    )


def _scan(folder: Path, store: StoreWorld, every: float | None) -> tuple[int, dict[str, Any]]:
    """Bytes that the store sent in a run, and the run's result; without a guard when `every` is None."""
    folder.mkdir()
    world = IncidentWorld.up(folder, store, films=FILMS, seconds_per_file=0.005)
    try:
        world.when("scan Movies: started", store.faults.reset_counters)
        times = {"section": 1800, "whole": 1800, "stall": 600}
        if every is None:
            result = world.unguarded(times=times)
        else:
            result = world.guarded(times={**times, "probe_every": every})
        if world.counts().deleted:
            raise AssertionError("the scan lost films, so it says nothing of what one costs")
        return int(store.faults.counters()["bytes"]), result
    finally:
        world.down()

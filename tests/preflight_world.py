"""A store with a reference archive in it, and a burst that would start from it: what a preflight looks at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from medialift.cloud import objects
from medialift.plex.manifest import ArchiveFacts, Manifest, Sidecar
from sandbox.settings import ACCESS_KEY, REGION, SECRET_KEY
from tests.store_world import StoreWorld

MEDIA = "media"
VERSION = "1.43.4.10903-2f8b9b1b5"
NAME = "reference/home-20261121T031500Z.tar.zst"
BYTES = b"an archive, as far as a look at its size can tell"


def section(number: int, name: str, kind: str, *locations: str) -> dict[str, Any]:
    return {"id": number, "name": name, "type": kind, "locations": list(locations), "items": 3}


SECTIONS = (
    section(1, "Movies", "movie", "/library/media/Movies"),
    section(2, "Music", "artist", "/library/media/Music"),
    section(3, "Photos", "photo", "/library/media/Photos"),
)


@dataclass
class PreflightWorld:
    """The store, and the options of a burst that would be let through."""

    store: StoreWorld
    options: dict[str, Any] = field(default_factory=dict)

    def reference(
        self,
        name: str = NAME,
        *,
        kind: str = "reference",
        library: str = "home",
        quarantined: bool = False,
        size: int = len(BYTES),
        content: int = 1_000_000_000,
        sections: tuple[dict[str, Any], ...] = SECTIONS,
    ) -> None:
        """Put an archive and its description into the store."""
        manifest = Manifest(
            kind=kind,  # type: ignore[arg-type]
            library=library,
            created="2026-11-21T03:15:00+00:00",
            plex_version=VERSION,
            machine="m" * 64,
            contents=("databases",),
            sections=sections,
            watch_state={"digest": "d", "settings": 1, "views": 2},
        )
        facts = ArchiveFacts(size, "a" * 64, 4, content)
        reasons = ("7 items were lost",) if quarantined else ()
        sidecar = Sidecar(manifest, facts, quarantined, reasons)
        for key, body in ((name, BYTES), (f"{name}.json", sidecar.to_json())):
            objects.put_bytes(self.store.store, self.store.bucket, f"plex/{key}", body)


def make(running: StoreWorld) -> PreflightWorld:
    """Empty the store, have a bucket of media, and give the options of a good burst."""
    running.empty()
    client = running.store.client
    if MEDIA not in [one["Name"] for one in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=MEDIA, CreateBucketConfiguration={"LocationConstraint": REGION})
    options = {
        "endpoint": running.store.endpoint,
        "region": REGION,
        "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
        "archive_bucket": running.bucket,
        "archive_prefix": "plex",
        "media_bucket": MEDIA,
        "root": "/cloud/media",
        "library": "home",
        "mode": "delta",
        "reference": "",
        "path_map": {"/library/media": "/cloud/media"},
        "path_map_file": None,
        "sections": [],
        "photo": False,
        "scratch_sections": [],
        "plex_version": "",
        "disk": "50 GB",
    }
    return PreflightWorld(running, options)


def impatient(request: Any) -> Any:
    """The request with the patience of a test: it waits for the error, a person would wait for the store."""
    return replace(request, store=replace(request.store, timeout=2, patience=2.5))

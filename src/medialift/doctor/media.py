"""The media side: the store with its clock, the Plex server, and Plex's own SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from medialift.cloud import objects
from medialift.doctor.finding import FAIL, OK, SKIPPED, WARN, Finding
from medialift.doctor.host import Host
from medialift.errors import MedialiftError
from medialift.foundation.units import format_duration
from medialift.plex import installation

# S3 refuses requests whose time is more than 15 minutes off.
REFUSED_SKEW = 900.0
NOTABLE_SKEW = 30.0


def store(host: Host) -> Iterator[Finding]:
    """Can the bucket be listed and written, and do both clocks agree?"""
    given = host.settings.store
    if not given.bucket:
        yield Finding("store", SKIPPED, "No bucket is set")
        return
    yield _clock(host)
    opened = objects.Store.of(given, patience=5.0)
    try:
        objects.check(opened, given.bucket, write=True, prefix=given.prefix)
    except MedialiftError as error:
        yield Finding("store", FAIL, f"{error.what}: {error.subject}", error.hint)
    else:
        yield Finding("store", OK, f"{given.bucket} at {given.endpoint} can be listed and written")


def _clock(host: Host) -> Finding:
    try:
        date = host.client.head(host.settings.store.endpoint).headers.get("date")
    except httpx.HTTPError as error:
        return Finding(
            "clock",
            WARN,
            f"The store does not tell the time: {type(error).__name__}",
            "See the check of the store",
        )
    if date is None:
        return Finding("clock", SKIPPED, "The store does not tell the time")
    skew = host.clock.now() - parsedate_to_datetime(date).timestamp()
    if abs(skew) < NOTABLE_SKEW:
        return Finding("clock", OK, "It agrees with the store's")
    text = f"It is {format_duration(abs(skew))} {'ahead of' if skew > 0 else 'behind'} the store's"
    status = FAIL if abs(skew) > REFUSED_SKEW else WARN
    return Finding("clock", status, text, "Set the time: timedatectl set-ntp true")


def server(host: Host) -> Iterator[Finding]:
    """Does Plex answer, is it claimed, and would it empty its trash?"""
    asked = installation.server(host.settings)
    try:
        identity = asked.identity()
    except MedialiftError as error:
        yield Finding(
            "Plex", FAIL, f"{error.what}: {error.subject}", f"systemctl status {host.settings.plex.unit}"
        )
        return
    yield Finding("Plex", OK, f"It answers: version {identity.version}")
    if identity.claimed:
        yield Finding("claim", OK, "The server is claimed")
    else:
        yield Finding(
            "claim",
            WARN,
            "The server is not claimed: it will not analyse music",
            "medialift plex claim, with a token from plex.tv/claim",
        )
    trash = asked.preferences().get("autoEmptyTrash")
    if trash is not None and trash.value.lower() in ("0", "false"):
        yield Finding("trash", OK, "autoEmptyTrash is off")
    else:
        yield Finding(
            "trash",
            WARN,
            "autoEmptyTrash is on: what a scan cannot read is deleted for good",
            "medialift plex settings --profile home",
        )


def plex_sqlite(host: Host) -> Iterator[Finding]:
    """Does Plex's own SQLite run? It is tried on a small database: checking a library takes minutes."""
    with TemporaryDirectory(prefix="medialift-doctor-") as folder:
        # The image's program runs as the owner of Plex's files, who is not root.
        Path(folder).chmod(0o777)
        small = Path(folder) / "small.db"
        with closing(sqlite3.connect(small)) as con:
            con.execute("CREATE TABLE one (number INTEGER)")
        small.chmod(0o666)
        wrong = installation.sqlite(host.settings, host.run).integrity_check(small)
    if wrong:
        yield Finding(
            "Plex SQLite", FAIL, f"It finds fault with a sound database: {wrong[0]}", "Check plex.sqlite"
        )
    else:
        yield Finding("Plex SQLite", OK, "It runs, so archives can be checked as a whole")

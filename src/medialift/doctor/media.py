"""The media side: the store with its clock, the Plex server, and Plex's own SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import httpx

from medialift.cloud import objects
from medialift.doctor.finding import FAIL, OK, SKIPPED, WARN, Finding
from medialift.doctor.host import Host
from medialift.errors import MedialiftError
from medialift.foundation.units import format_duration
from medialift.plex.server import PlexServer, read_token

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
    opened = objects.Store(
        given.endpoint,
        given.region,
        given.access_key.get_secret_value(),
        given.secret_key.get_secret_value(),
        patience=5.0,
    )
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
    plex = host.settings.plex
    token = plex.token.get_secret_value()
    asked = PlexServer(plex.url, token or (lambda: read_token(plex.data / "Preferences.xml")))
    try:
        identity = asked.identity()
    except MedialiftError as error:
        yield Finding("Plex", FAIL, f"{error.what}: {error.subject}", f"systemctl status {plex.unit}")
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

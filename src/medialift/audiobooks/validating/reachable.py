"""What the intake needs beside its folders: ffmpeg, taggers, plug-ins, the ledger, a port."""

from __future__ import annotations

import errno
import importlib.util
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx

from medialift.audiobooks import beets, programs
from medialift.audiobooks import plugins as plugging
from medialift.audiobooks.metadata.inquiry import token as audible_token
from medialift.audiobooks.validating.fault import Fault, of_error
from medialift.errors import MedialiftError
from medialift.queueing.database import Database
from medialift.settings import AudiobooksSettings, Settings


def engine(audiobooks: AudiobooksSettings) -> Iterator[Fault]:
    """What this host's ffmpeg cannot do."""
    try:
        known = programs.encoders(programs.found())
    except MedialiftError as error:
        yield of_error("ffmpeg", error)
        return
    wanted = "aac" if audiobooks.encoder == "auto" else audiobooks.encoder
    if wanted not in known:
        yield Fault(
            "audiobooks.encoder",
            f"this host's ffmpeg has no encoder {wanted}",
            "Set encoder to auto, or install an ffmpeg that was built with it",
        )


def tagging(audiobooks: AudiobooksSettings) -> Iterator[Fault]:
    """What tagging lacks."""
    tagging = audiobooks.tagging
    if tagging.mode == "off":
        return
    if tagging.tagger == "beets" and (why := beets.missing(tagging.beet)):
        yield Fault(
            "audiobooks.tagging.beet",
            f"beets cannot be used: {why}",
            "Install beets with beets-audible (the role does with audiobooks_beets), or set tagger to own",
        )
    if not tagging.providers:
        yield Fault(
            "audiobooks.tagging.providers",
            "nobody is asked, so no book is known",
            "Name one, or set mode to off",
            "warning",
        )
    try:
        # As it is read when Audible is asked.
        audible_token(tagging)
    except MedialiftError as error:
        yield of_error("audiobooks.tagging.token_file", error)


def plugins(audiobooks: AudiobooksSettings, *, load: bool) -> Iterator[Fault]:
    """Plug-ins that are not there, and with `load`, which runs them, those that would be left out."""
    there = []
    for name in audiobooks.plugins:
        if not _is_there(name):
            yield Fault(
                "audiobooks.plugins",
                f"there is no plug-in {name}",
                "Correct its path, or install the module beside medialift",
            )
        else:
            there.append(name)
    if load and there:
        found = plugging.load(audiobooks.model_copy(update={"plugins": tuple(there)}))
        for problem in found.problems:
            told = f"{problem[:1].lower()}{problem[1:]}"
            yield Fault("audiobooks.plugins", told, "Mend the plug-in: docs/audiobooks-plugins.md", "warning")


def _is_there(name: str) -> bool:
    if name.startswith("/"):
        return Path(name).is_file()
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def ledger(settings: Settings) -> Iterator[Fault]:
    """Why the ledger cannot be used."""
    try:
        with Database.open(settings.database) as database:
            database.check()
    except MedialiftError as error:
        yield of_error("database", error)


def port(audiobooks: AudiobooksSettings) -> Iterator[Fault]:
    """Why /health cannot be served."""
    address = (audiobooks.health_host, audiobooks.health_port)
    try:
        family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as probe:
            # As the service does: a connection that ended a moment ago does not keep the port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _ourselves(audiobooks):
            return
        yield Fault(
            "audiobooks.health_port",
            f"{address[0]}:{address[1]} cannot be listened at: {error.strerror or error}",
            "Choose another port or address, or 0 for none",
        )


def _ourselves(audiobooks: AudiobooksSettings) -> bool:
    """Whether this very service answers at the port."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(audiobooks.health_host, audiobooks.health_host)  # noqa: S104
    try:
        told = httpx.get(
            f"http://{host}:{audiobooks.health_port}/health", timeout=15.0, trust_env=False
        ).json()
    except (httpx.HTTPError, ValueError):
        return False
    return isinstance(told, dict) and {"live", "ready", "checks"} <= set(told)

"""A Plex stand-in as a process of its own, with media files, an account at plex.tv, and a job to run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from medialift.foundation import jobs
from medialift.foundation.waiting import wait_until
from medialift.plex.server import PlexServer, read_token
from sandbox.plex import schema
from sandbox.plex.builder import LibraryBuilder
from sandbox.ports import free_ports

ROOT = Path(__file__).parents[1]
JOBS = {"plex-run": "medialift.plex.run:run_job"}
TOKEN = "account-token-of-the-owner"

# Readings follow each other quickly, since the stand-in lives at a fiftieth of a real server's pace.
TIMES = {
    "poll": 0.1,
    "quiet_polls": 4,
    "ready": 30,
    "claim": 20,
    "start": 15,
    "analyse_start": 0.5,
    "section": 60,
    "stall": 10,
    "unreadable": 5,
    "sonic": 60,
    "whole": 120,
    "mount": 10,
    "lookup": 2,
    "lookup_pause": 0.2,
    "cease": 15,
    "heal": 2,
}


class PlexTv:
    """plex.tv: takes `claim-…` tokens that are in `good`, once each, and gives fresh ones to the account."""

    def __init__(self) -> None:
        world = self
        self.good: set[str] = set()
        self.given = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.headers.get("X-Plex-Token") != TOKEN:
                    return self.reply(401, "{}")
                world.given += 1
                fresh = f"claim-fresh{world.given:08d}"
                world.good.add(fresh)
                self.reply(200, json.dumps({"token": fresh}))

            def do_POST(self) -> None:
                token = parse_qs(urlsplit(self.path).query)["token"][0]
                if token not in world.good:
                    return self.reply(404, json.dumps({"errors": [{"message": "Token expired"}]}))
                world.good.discard(token)
                owner = "<authentication-token>server-token-1234567890</authentication-token>"
                self.reply(200, f'<user username="owner" email="owner@example.org">{owner}</user>')

            def reply(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        Thread(target=self.http.serve_forever, daemon=True).start()

    def down(self) -> None:
        self.http.shutdown()
        self.http.server_close()


class PlexWorld:
    """Media below `media`, Plex's data below `data`, and a server once `up` was called."""

    def __init__(self, folder: Path, version: str = schema.NEW_VERSION) -> None:
        self.folder, self.version = folder, version
        self.data, self.media = folder / "data", folder / "media"
        self.media.mkdir()
        self.plex_tv = PlexTv()
        self.port, self.control_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        databases = self.data / "Plug-in Support" / "Databases"
        self.database, self.blobs = databases / schema.LIBRARY, databases / schema.BLOBS
        self.preferences = self.data / "Preferences.xml"

    def movie(self, number: int) -> str:
        return self._file(f"Movies/Film {number} (2001)/Film {number} (2001).mkv")

    def track(self, number: int) -> str:
        return self._file(f"Music/Band/Album/{number:02d} - Song {number}.mp3")

    def photo(self, number: int) -> str:
        return self._file(f"Photos/{number}.jpg")

    def _file(self, name: str) -> str:
        file = self.media / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(150_000))
        return str(file)

    def library(self, movies: int = 5, tracks: int = 4, photos: int = 1) -> None:
        """The library that home knows, and its files."""
        with LibraryBuilder.in_folder(self.data, version=self.version) as library:
            section = library.add_section("Movies", "movie", str(self.media / "Movies"))
            for number in range(movies):
                library.add_movie(section, self.movie(number), f"Film {number}", 2001)
            section = library.add_section("Music", "artist", str(self.media / "Music"))
            for number in range(1, tracks + 1):
                library.add_track(section, self.track(number), "Band", "Album", number, f"Song {number}")
            section = library.add_section("Photos", "photo", str(self.media / "Photos"))
            for number in range(photos):
                library.add_photo(section, self.photo(number))

    def up(self, **switches: Any) -> PlexServer:
        """Start the server; it is still starting up when this returns, as a real one is."""
        self.data.mkdir(parents=True, exist_ok=True)
        environment = {
            "STANDIN_DATA": str(self.data),
            "STANDIN_VERSION": self.version,
            "STANDIN_HOST": "127.0.0.1",
            "STANDIN_PORT": str(self.port),
            "STANDIN_CONTROL_PORT": str(self.control_port),
            "STANDIN_PLEX_TV": self.plex_tv.url,
            "STANDIN_PACE": "0.02",
            "STANDIN_SWITCHES": json.dumps(switches),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sandbox.plex"],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=(self.folder / "plex.log").open("wb"),
            stderr=subprocess.STDOUT,
        )
        server = self.server()
        assert wait_until(lambda: _answers(server), at_most=20, every=0.05), self.log()
        return server

    def server(self) -> PlexServer:
        return PlexServer(self.url, lambda: read_token(self.preferences))

    def log(self) -> str:
        return (self.folder / "plex.log").read_text()

    def switch(self, **switches: Any) -> None:
        httpx.put(f"http://127.0.0.1:{self.control_port}/switches", json=switches).raise_for_status()

    def claim_file(self, token: str = "claim-good12345") -> Path:
        self.plex_tv.good.add("claim-good12345")
        file = self.folder / "claim"
        file.write_text(token + "\n")
        return file

    def options(self, **more: Any) -> dict[str, Any]:
        """Arguments of a run on this world; plain folders stand for the mounts."""
        return {
            "server": {"url": self.url, "preferences": str(self.preferences)},
            "database": str(self.database),
            "blobs": str(self.blobs),
            "roots": {str(self.media): str(self.media)},
            "container": [],
            "mount_type": "",
            "claim": {"file": str(self.claim_file())},
            **more,
            "times": {**TIMES, **more.get("times", {})},
        }

    def run(self, **more: Any) -> jobs.Status:
        """Run the job in this process, and say how it ended."""
        return self.run_with(self.options(**more))

    def run_with(self, options: Mapping[str, Any], job: str = "job") -> jobs.Status:
        """The same with ready-made arguments."""
        folder = self.folder / job
        jobs.submit(folder, "plex-run", options)
        jobs.execute(folder, JOBS)
        return jobs.state(folder)

    def down(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        self.plex_tv.down()


def _answers(server: PlexServer) -> bool:
    try:
        server.identity()
    except Exception:
        return False
    return True

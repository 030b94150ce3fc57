"""Plex's HTTP API as python-plexapi 4.18 and this project use it, over one MediaServer."""

from __future__ import annotations

import base64
import io
import ipaddress
import re
import sqlite3
import tempfile
import time
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from sandbox.plex import elements, rows, trash, web
from sandbox.plex.account import ClaimRefusedError
from sandbox.plex.butler import TASKS
from sandbox.plex.elements import container, element
from sandbox.plex.preferences import CATALOGUE, Preference
from sandbox.plex.scanner import Job
from sandbox.plex.server import MediaServer
from sandbox.plex.web import Reply, Request

Handler = Callable[[Request, "re.Match[str]"], Reply]

LIBRARY_IDENTIFIER = "com.plexapp.plugins.library"
DEFAULT_PAGE = 100_000


class Api:
    """Answers requests. Access, starting up and the failure switches come before any route."""

    def __init__(self, server: MediaServer) -> None:
        self.server = server
        number = r"(?P<id>\d+)"
        self.routes: list[tuple[str, re.Pattern[str], Handler]] = [
            (method, re.compile(pattern), handler)
            for method, pattern, handler in (
                ("GET", r"/identity", self.identity),
                ("GET", r"/", self.root),
                ("GET", r"/library/?", self.library),
                ("GET", r"/library/sections(/all)?/?", self.sections),
                ("POST", r"/library/sections(/all)?/?", self.add_section),
                ("GET", r"/library/sections/all/refresh", self.refresh_all),
                ("GET", rf"/library/sections/{number}", self.section),
                ("PUT", rf"/library/sections/{number}", self.edit_section),
                ("DELETE", rf"/library/sections/{number}", self.delete_section),
                ("GET", rf"/library/sections/{number}/refresh", self.refresh),
                ("POST", rf"/library/sections/{number}/refresh", self.refresh),
                ("DELETE", rf"/library/sections/{number}/refresh", self.cancel_refresh),
                ("PUT", rf"/library/sections/{number}/analyze", self.analyze),
                ("PUT", rf"/library/sections/{number}/emptyTrash", self.empty_trash),
                ("GET", rf"/library/sections/{number}/all", self.items),
                ("GET", rf"/library/sections/{number}/prefs", self.section_preferences),
                ("PUT", rf"/library/sections/{number}/prefs", self.set_section_preferences),
                ("GET", r"/library/metadata/(?P<ids>\d+(,\d+)*)", self.metadata),
                ("GET", rf"/library/metadata/{number}/(children|grandchildren|allLeaves)", self.children),
                ("PUT", rf"/library/metadata/{number}/(analyze|refresh)", self.nothing),
                ("GET", r"/activities", self.activities),
                ("GET", r"/:/prefs", self.preferences),
                ("PUT", r"/:/prefs", self.set_preferences),
                ("GET", r"/:/scrobble", self.scrobble),
                ("GET", r"/:/unscrobble", self.unscrobble),
                ("PUT", r"/:/rate", self.rate),
                ("GET", r"/butler", self.butler),
                ("DELETE", r"/butler", self.stop_butler),
                ("POST", r"/butler/(?P<task>\w+)", self.run_task),
                ("DELETE", r"/butler/(?P<task>\w+)", self.stop_task),
                ("GET", r"/status/sessions", self.sessions),
                ("GET", r"/status/sessions/background", self.background),
                ("GET", r"/diagnostics/databases", self.databases),
                ("GET", r"/services/browse(?P<path>/.*)?", self.browse),
                ("POST", r"/myplex/claim", self.claim),
                ("GET", r"/myplex/account", self.account),
                ("GET", r"/system/agents", self.nothing),
                ("GET", r"/clients", self.nothing),
            )
        ]

    def answer(self, request: Request) -> Reply | None:
        """Answer one request, or None to close the connection unanswered."""
        line = f"{request.method} {request.path}"
        switches = self.server.switches
        if switches.wait_while_hanging(line):
            return None
        status = switches.http_status(line)
        if status is not None:
            return web.html(status, "Service Unavailable" if status == 503 else "Internal Server Error")
        refused = self._refuse(request)
        if refused is not None:
            return refused
        for method, pattern, handler in self.routes:
            found = pattern.fullmatch(request.path)
            if found and method == request.method:
                return self._handle(request, found, handler)
        return web.html(404, "Not Found")

    def _handle(self, request: Request, found: re.Match[str], handler: Handler) -> Reply:
        try:
            if self.server.malformed and request.path.startswith(("/library", "/:/", "/diagnostics")):
                raise sqlite3.DatabaseError("database disk image is malformed")
            return handler(request, found)
        except sqlite3.Error as broken:
            self.server.log(f"{request.method} {request.path}: {broken}")
            return web.html(500, "Internal Server Error", str(broken))
        except ValueError as wrong:
            return web.html(400, "Bad Request", str(wrong))

    def _refuse(self, request: Request) -> Reply | None:
        """401 without access; 400 or 503 while the server is still starting up."""
        if request.path == "/identity":
            return None
        phase = self.server.starting_phase
        writes = request.method != "GET" or request.path.endswith("/refresh")
        if phase < 0.5:
            return web.html(503, "Maintenance", "Plex Media Server is still starting up.")
        if phase < 1.0 and writes:
            return web.html(400, "Bad Request", "Plex Media Server is still starting up.")
        if not self._allowed(request):
            return web.html(401, "Unauthorized")
        return None

    def _allowed(self, request: Request) -> bool:
        preferences = self.server.preferences
        token = request.value("X-Plex-Token")
        if preferences.claimed:
            if token == preferences.token and not self.server.switches["token_revoked"]:
                return True
            return self._in_allowed_networks(request.client)
        # Unclaimed: whoever is near may do anything, but only by an address, never by a name.
        host = request.headers.get("host", "").rsplit(":", 1)[0].strip("[]")
        return host in ("localhost", "") or _is_address(host)

    def _in_allowed_networks(self, client: str) -> bool:
        """Whether the client is in a network that needs no token; a bare address is one host only."""
        for text in self.server.preferences.get("allowedNetworks").split(","):
            try:
                network = ipaddress.ip_network(text.strip(), strict=False)
            except ValueError:  # '' or no network: as in Plex, such an entry allows nobody
                continue
            if ipaddress.ip_address(client) in network:
                return True
        return False

    # --- the server ---

    def identity(self, request: Request, found: re.Match[str]) -> Reply:
        preferences = self.server.preferences
        return web.xml(
            container(
                size=0,
                apiVersion="1.1.1",
                claimed=preferences.claimed,
                machineIdentifier=preferences.get("ProcessedMachineIdentifier"),
                version=self.server.version,
            )
        )

    def root(self, request: Request, found: re.Match[str]) -> Reply:
        preferences = self.server.preferences
        return web.xml(
            container(
                size=0,
                allowMediaDeletion=preferences.on("allowMediaDeletion"),
                apiVersion="1.1.1",
                backgroundProcessing=1,
                claimed=preferences.claimed,
                friendlyName=preferences.get("FriendlyName") or "plex",
                livetv=7,
                machineIdentifier=preferences.get("ProcessedMachineIdentifier"),
                musicAnalysis=2,
                myPlex=1,
                myPlexMappingState="mapped" if preferences.claimed else "unknown",
                myPlexSigninState="ok" if preferences.claimed else "none",
                myPlexSubscription=preferences.claimed and self.server.switches["plex_pass"],
                myPlexUsername=preferences.get("PlexOnlineMail") or None,
                platform="Linux",
                platformVersion="12 (bookworm)",
                pluginHost=0,
                transcoderActiveVideoSessions=0,
                updatedAt=int(time.time()),
                updater=1,
                version=self.server.version,
            )
        )

    def library(self, request: Request, found: re.Match[str]) -> Reply:
        made = container(
            size=1,
            allowSync=0,
            art="/:/resources/library-art.png",
            content="",
            identifier=LIBRARY_IDENTIFIER,
            mediaTagPrefix="/system/bundle/media/flags/",
            mediaTagVersion=1700000000,
            title1="Plex Library",
            title2="",
        )
        made.append(element("Directory", {"key": "sections", "title": "Library Sections"}))
        return web.xml(made)

    def activities(self, request: Request, found: re.Match[str]) -> Reply:
        shown = self.server.activities.rows()
        made = container(size=len(shown))
        for activity in shown:
            row = element(
                "Activity",
                {
                    "uuid": activity.uuid,
                    "type": activity.type,
                    "cancellable": activity.cancellable,
                    "userID": 1,
                    "title": activity.title,
                    "subtitle": activity.subtitle,
                    "progress": activity.progress,
                },
            )
            if activity.section is not None:
                row.append(element("Context", {"librarySectionID": activity.section}))
            made.append(row)
        return web.xml(made)

    def preferences(self, request: Request, found: re.Match[str]) -> Reply:
        made = container(size=len(CATALOGUE))
        for known in CATALOGUE.values():
            made.append(self._setting(known))
        return web.xml(made)

    def _setting(self, known: Preference) -> ET.Element:
        value, default = self.server.preferences.get(known.id), known.default
        if known.type == "bool":
            value, default = ("true" if text in ("1", "true") else "false" for text in (value, default))
        return element(
            "Setting",
            {
                "id": known.id,
                "label": known.id,
                "summary": "",
                "type": known.type,
                "default": default,
                "value": value,
                "hidden": known.hidden,
                "advanced": 0,
                "group": known.group,
                "enumValues": known.values or None,
            },
        )

    def set_preferences(self, request: Request, found: re.Match[str]) -> Reply:
        asked = {name: value for name, value in request.pairs if not name.startswith("X-Plex-")}
        self.server.preferences.accept(asked)
        return Reply()

    def sessions(self, request: Request, found: re.Match[str]) -> Reply:
        count = int(self.server.switches["watching"])
        made = container(size=count)
        for number in range(count):
            video = element(
                "Video",
                {
                    "ratingKey": 1,
                    "key": "/library/metadata/1",
                    "sessionKey": number + 1,
                    "type": "movie",
                    "title": "Something",
                    "librarySectionID": 1,
                },
            )
            video.append(element("User", {"id": 1, "title": "family"}))
            video.append(
                element(
                    "Player",
                    {
                        "machineIdentifier": f"player{number}",
                        "state": "playing",
                        "title": "TV",
                        "product": "Plex for TV",
                        "address": "192.168.1.20",
                        "local": 1,
                    },
                )
            )
            video.append(element("Session", {"id": f"session{number}", "bandwidth": 4000, "location": "lan"}))
            made.append(video)
        return web.xml(made)

    def background(self, request: Request, found: re.Match[str]) -> Reply:
        """Transcodes and optimised versions only: neither scans nor analyses show here."""
        return web.xml(container(size=0))

    def nothing(self, request: Request, found: re.Match[str]) -> Reply:
        return web.xml(container(size=0))

    def databases(self, request: Request, found: re.Match[str]) -> Reply:
        packed = io.BytesIO()
        with (
            tempfile.TemporaryDirectory() as folder,
            zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for copy in self.server.library.backup(Path(folder)):
                archive.write(copy, copy.name)
        name = time.strftime("databases_%Y-%m-%d.zip")
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Reply(200, packed.getvalue(), "application/zip", headers)

    def browse(self, request: Request, found: re.Match[str]) -> Reply:
        """Folders (and files) below a path that comes in base64, which itself may hold slashes."""
        coded = unquote((found["path"] or "").lstrip("/"))
        folder = base64.b64decode(coded).decode("utf-8", "surrogateescape") if coded else "/"
        try:
            entries = sorted(Path(folder).iterdir())
        except OSError:
            return web.html(404, "Not Found")
        made = container()
        for entry in entries:
            is_folder = entry.is_dir()
            if not is_folder and request.query.get("includeFiles") != "1":
                continue
            key = (
                "/services/browse/" + base64.b64encode(str(entry).encode("utf-8", "surrogateescape")).decode()
            )
            attributes = {"key": key if is_folder else None, "title": entry.name, "path": str(entry)}
            made.append(element("Path" if is_folder else "File", attributes))
        made.set("size", str(len(made)))
        return web.xml(made)

    # --- the account ---

    def claim(self, request: Request, found: re.Match[str]) -> Reply:
        try:
            self.server.claim(request.query.get("token", ""))
        except ClaimRefusedError as refused:
            self.server.log(f"Claim failed: {refused}")
            return web.html(400, "Bad Request", "The claim token was not accepted.")
        return self.account(request, found)

    def account(self, request: Request, found: re.Match[str]) -> Reply:
        preferences = self.server.preferences
        revoked = self.server.switches["token_revoked"]
        return web.xml(
            element(
                "MyPlex",
                {
                    "authToken": preferences.token,
                    "username": preferences.get("PlexOnlineMail"),
                    "mappingState": "mapped" if preferences.claimed else "unknown",
                    "mappingError": "",
                    "signInState": "invalid" if revoked else "ok" if preferences.claimed else "none",
                    "subscriptionActive": self.server.switches["plex_pass"],
                    "subscriptionState": "Active" if self.server.switches["plex_pass"] else "Inactive",
                },
            )
        )

    # --- sections ---

    def sections(self, request: Request, found: re.Match[str]) -> Reply:
        with self.server.library.reading() as con:
            listed = con.execute("SELECT * FROM library_sections ORDER BY name_sort").fetchall()
            made = container(size=len(listed), allowSync=0, title1="Plex Library")
            for row in listed:
                made.append(elements.section(con, row, self.server.is_refreshing(row["id"])))
        return web.xml(made)

    def _section(self, con: sqlite3.Connection, found: re.Match[str]) -> sqlite3.Row | None:
        row: sqlite3.Row | None = con.execute(
            "SELECT * FROM library_sections WHERE id=?", (int(found["id"]),)
        ).fetchone()
        return row

    def section(self, request: Request, found: re.Match[str]) -> Reply:
        with self.server.library.reading() as con:
            row = self._section(con, found)
            if row is None:
                return web.html(404, "Not Found")
            made = container(
                size=0, identifier=LIBRARY_IDENTIFIER, librarySectionID=row["id"], title1=row["name"]
            )
            made.append(elements.section(con, row, self.server.is_refreshing(row["id"])))
        return web.xml(made)

    def add_section(self, request: Request, found: re.Match[str]) -> Reply:
        """Create a section; Plex scans it at once."""
        query = request.query
        kind = query.get("type", "")
        kind = {str(number): name for name, number in rows.SECTION_TYPES.items()}.get(kind, kind)
        locations = [value for name, value in request.pairs if name in ("location", "location[]")]
        if kind not in rows.SECTION_TYPES or not query.get("name") or not locations:
            return web.html(400, "Bad Request")
        if not all(Path(location).is_dir() for location in locations):
            return web.html(400, "Bad Request", "A location does not exist.")
        with self.server.library.writing() as con:
            made = rows.add_section(
                con,
                query["name"],
                kind,
                [location.rstrip("/") or "/" for location in locations],
                agent=query.get("agent"),
                scanner=query.get("scanner"),
                language=query.get("language", "en-US"),
            )
            self._store_section_preferences(con, made, request)
        if kind != "artist" or self.server.preferences.claimed:
            self.server.queue(Job(made))
        with self.server.library.reading() as con:
            row = con.execute("SELECT * FROM library_sections WHERE id=?", (made,)).fetchone()
            answer = container(size=1)
            answer.append(elements.section(con, row, False))
        return web.xml(answer, 201)

    def edit_section(self, request: Request, found: re.Match[str]) -> Reply:
        """Change a section's name or locations; new locations are scanned at once."""
        section = int(found["id"])
        locations = [value.rstrip("/") for name, value in request.pairs if name in ("location", "location[]")]
        now = int(time.time())
        with self.server.library.writing() as con:
            if self._section_id(con, section) is None:
                return web.html(404, "Not Found")
            if request.query.get("name"):
                con.execute("UPDATE library_sections SET name=? WHERE id=?", (request.query["name"], section))
            if locations:
                con.execute("DELETE FROM section_locations WHERE library_section_id=?", (section,))
                for location in locations:
                    rows.add_location(con, section, location, now)
        if locations:
            self.server.queue(Job(section))
        return Reply()

    def _section_id(self, con: sqlite3.Connection, section: int) -> int | None:
        row = con.execute("SELECT id FROM library_sections WHERE id=?", (section,)).fetchone()
        return int(row[0]) if row else None

    def delete_section(self, request: Request, found: re.Match[str]) -> Reply:
        with self.server.library.reading() as con:
            if self._section(con, found) is None:
                return web.html(404, "Not Found")
        trash.remove_section(self.server.library, int(found["id"]))
        return Reply()

    def refresh(self, request: Request, found: re.Match[str]) -> Reply:
        """Queue a scan (or with force=1 a metadata refresh) and answer at once, with no job and no result."""
        with self.server.library.reading() as con:
            row = self._section(con, found)
        if row is None:
            return web.html(404, "Not Found")
        if row["section_type"] == rows.ARTIST and not self.server.preferences.claimed:
            return web.html(503, "Service Unavailable", "The server is not signed in.")
        path = request.query.get("path", "").rstrip("/")
        self.server.queue(Job(row["id"], path, request.query.get("force") == "1"))
        return Reply()

    def refresh_all(self, request: Request, found: re.Match[str]) -> Reply:
        with self.server.library.reading() as con:
            listed = con.execute("SELECT id, section_type FROM library_sections ORDER BY id").fetchall()
        for section, kind in listed:
            if kind != rows.ARTIST or self.server.preferences.claimed:
                self.server.queue(Job(section))
        return Reply()

    def cancel_refresh(self, request: Request, found: re.Match[str]) -> Reply:
        self.server.cancel(int(found["id"]))
        return Reply()

    def analyze(self, request: Request, found: re.Match[str]) -> Reply:
        """Media analysis of a section. It never does a sonic one."""
        with self.server.library.writing() as con:
            con.execute(
                "UPDATE media_items SET media_analysis_version=6 WHERE library_section_id=?",
                (int(found["id"]),),
            )
        return Reply()

    def empty_trash(self, request: Request, found: re.Match[str]) -> Reply:
        trash.empty(self.server.library, int(found["id"]))
        return Reply()

    def section_preferences(self, request: Request, found: re.Match[str]) -> Reply:
        with self.server.library.reading() as con:
            row = self._section(con, found)
        if row is None:
            return web.html(404, "Not Found")
        on = "pr%3AmusicAnalysis=0" not in (row["user_fields"] or "")
        made = container(size=1)
        if row["section_type"] == rows.ARTIST:
            attributes = {"id": "musicAnalysis", "label": "Sonic Analysis", "type": "bool", "default": "true"}
            value = "true" if on else "false"
            made.append(element("Setting", {**attributes, "value": value, "hidden": 0, "group": "advanced"}))
        return web.xml(made)

    def set_section_preferences(self, request: Request, found: re.Match[str]) -> Reply:
        with self.server.library.writing() as con:
            self._store_section_preferences(con, int(found["id"]), request)
        return Reply()

    def _store_section_preferences(self, con: sqlite3.Connection, section: int, request: Request) -> None:
        value = request.query.get("musicAnalysis", request.query.get("prefs[musicAnalysis]"))
        if value is not None:
            flag = int(value in ("1", "true", "True"))
            con.execute(
                "UPDATE library_sections SET user_fields=? WHERE id=?",
                (f"pr%3AmusicAnalysis={flag}", section),
            )

    # --- items ---

    def items(self, request: Request, found: re.Match[str]) -> Reply:
        with self.server.library.reading() as con:
            section = self._section(con, found)
            if section is None:
                return web.html(404, "Not Found")
            condition, values = _wanted_items(section, request.query)
            return self._listing(con, request, condition, values, section)

    def _listing(
        self,
        con: sqlite3.Connection,
        request: Request,
        condition: str,
        values: tuple[object, ...],
        section: sqlite3.Row | None = None,
    ) -> Reply:
        start = int(request.value("X-Plex-Container-Start") or 0)
        size_text = request.value("X-Plex-Container-Size")
        size = int(size_text) if size_text else DEFAULT_PAGE
        total = con.execute(f"SELECT count(*) FROM metadata_items i WHERE {condition}", values).fetchone()[0]
        listed = con.execute(
            f"SELECT {elements.ITEM_COLUMNS} FROM {elements.ITEM_TABLES} WHERE {condition} "
            "ORDER BY i.title_sort COLLATE icu_root, i.id LIMIT ? OFFSET ?",
            (*values, size, start),
        ).fetchall()
        made = container(
            size=len(listed),
            totalSize=total if size_text else None,
            offset=start,
            allowSync=1,
            identifier=LIBRARY_IDENTIFIER,
            librarySectionID=section["id"] if section is not None else None,
            librarySectionTitle=section["name"] if section is not None else None,
            librarySectionUUID=section["uuid"] if section is not None else None,
        )
        for row in listed:
            made.append(elements.item(con, row))
        return web.xml(made)

    def metadata(self, request: Request, found: re.Match[str]) -> Reply:
        check = request.query.get("checkFiles") == "1"
        made = container(allowSync=1, identifier=LIBRARY_IDENTIFIER)
        with self.server.library.reading() as con:
            for number in found["ids"].split(","):
                row = con.execute(
                    f"SELECT {elements.ITEM_COLUMNS} FROM {elements.ITEM_TABLES} WHERE i.id=?", (int(number),)
                ).fetchone()
                if row is not None:
                    made.append(elements.item(con, row, check))
                    made.set("librarySectionID", str(row["library_section_id"]))
        if not len(made):
            return web.html(404, "Not Found")
        made.set("size", str(len(made)))
        return web.xml(made)

    def children(self, request: Request, found: re.Match[str]) -> Reply:
        item = int(found["id"])
        if request.path.endswith("/children"):
            condition = "i.parent_id=?"
        else:
            condition = "i.parent_id IN (SELECT id FROM metadata_items WHERE parent_id=?)"
        with self.server.library.reading() as con:
            return self._listing(con, request, condition, (item,))

    # --- watching ---

    def scrobble(self, request: Request, found: re.Match[str]) -> Reply:
        """Mark an item as watched once more by the owner (account 1)."""
        return self._watch(request, "view_count=coalesce(view_count, 0)+1, last_viewed_at=:now", viewed=True)

    def unscrobble(self, request: Request, found: re.Match[str]) -> Reply:
        return self._watch(request, "view_count=0, view_offset=NULL")

    def rate(self, request: Request, found: re.Match[str]) -> Reply:
        return self._watch(request, "rating=:rating, last_rated_at=:now")

    def _watch(self, request: Request, change: str, viewed: bool = False) -> Reply:
        now = int(time.time())
        with self.server.library.writing() as con:
            row = con.execute(
                'SELECT guid, metadata_type, library_section_id, title, "index" '
                "FROM metadata_items WHERE id=?",
                (int(request.query.get("key", "0")),),
            ).fetchone()
            if row is None:
                return web.html(404, "Not Found")
            values = {"account_id": 1, "guid": row[0]}
            if not con.execute(
                "SELECT 1 FROM metadata_item_settings WHERE account_id=1 AND guid=?", (row[0],)
            ).fetchone():
                rows.insert(con, "metadata_item_settings", {**values, "created_at": now})
            con.execute(
                f"UPDATE metadata_item_settings SET {change}, updated_at=:now, changed_at=changed_at+1 "
                "WHERE account_id=1 AND guid=:guid",
                {"now": now, "guid": row[0], "rating": float(request.query.get("rating", 0) or 0)},
            )
            if viewed:
                more = {
                    "metadata_type": row[1],
                    "library_section_id": row[2],
                    "title": row[3],
                    "index": row[4],
                }
                rows.insert(con, "metadata_item_views", {**values, **more, "viewed_at": now})
        return Reply()

    # --- the butler ---

    def butler(self, request: Request, found: re.Match[str]) -> Reply:
        made = element("ButlerTasks", {})
        for task in TASKS:
            made.append(
                element(
                    "ButlerTask",
                    {
                        "name": task,
                        "interval": 1,
                        "scheduleRandomized": 0,
                        "enabled": 1,
                        "title": task,
                        "description": task,
                    },
                )
            )
        return web.xml(made)

    def run_task(self, request: Request, found: re.Match[str]) -> Reply:
        return Reply(self.server.butler.start(found["task"]))

    def stop_task(self, request: Request, found: re.Match[str]) -> Reply:
        return Reply(self.server.butler.stop(found["task"]))

    def stop_butler(self, request: Request, found: re.Match[str]) -> Reply:
        self.server.butler.stop_all()
        return Reply()


def _wanted_items(section: sqlite3.Row, query: dict[str, str]) -> tuple[str, tuple[object, ...]]:
    """The condition for `…/all`: one kind of item, by default the section's own."""
    kinds: tuple[int, ...]
    if query.get("clusterZoomLevel"):
        kinds = (rows.PHOTO,)
    elif query.get("type"):
        kinds = (int(query["type"]),)
    elif section["section_type"] == rows.PHOTO:
        top = "i.library_section_id=? AND i.parent_id IS NULL AND i.metadata_type IN (?, ?)"
        return top, (section["id"], rows.PHOTO, rows.PHOTO_ALBUM)
    else:
        kinds = (section["section_type"],)
    condition = "i.library_section_id=? AND i.metadata_type=?"
    values: tuple[object, ...] = (section["id"], kinds[0])
    for name, column in (("title", "i.title"), ("guid", "i.guid"), ("year", "i.year")):
        if query.get(name):
            condition += f" AND {column}=?"
            values += (query[name],)
    return condition, values


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

"""The dashboard over a ledger of a million books: 20 clients, each asking for a page or list once a second.

The server is a process of its own, as in a house, and PostgreSQL an embedded one with all its safety on. A
thread goes on claiming and finishing books, so that nothing is asked of a ledger that rests.
"""

from __future__ import annotations

import multiprocessing
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Thread

import httpx
import psycopg

from medialift.queueing.claims import claim, finish
from medialift.queueing.database import Database
from medialift.queueing.embedded import Server
from medialift.settings import Settings
from medialift.web.server import serving

from .figure import Figure

GROUP = "dashboard"

ITEMS, CLIENTS, SECONDS, WARM_SECONDS = 1_000_000, 20, 75, 15
_LIMIT_SECONDS = 0.1

_FILL = (
    """
    insert into item (pipeline, collection, key, state, weight, bytes, fingerprint, attempts, lease_owner,
                      lease_until, error_kind, error_text, not_before, created, changed)
    select 'books', 'calibre', n::text,
           case when n % 1000 = 0 then 'failed' when n % 400 = 1 then 'skipped' when n <= 600000 then 'done'
                when n <= 600800 then 'leased' else 'ready' end,
           2, 700000, md5(n::text), (n <= 600800)::int,
           case when n between 600001 and 600800 then 'home@' || n % 8 end,
           case when n between 600001 and 600800 then now() + interval '1 day' end,
           case when n % 1000 = 0 then 'permanent' end,
           case when n % 1000 = 0 then 'The book server refuses the file: ' || n end,
           case when n > 600800 and n % 20 = 0 then now() + interval '3 hours'
                else now() - interval '1 day' end,
           now() - interval '3 days', now() - make_interval(secs => ITEMS - n)
      from generate_series(1, ITEMS) n
    """,
    """
    insert into book_file (item_id, format, path, size, sha1, state, seconds, reason, error_kind)
    select i.id, f, 'a/b/c.' || f, 350000, md5(i.id || f),
           case i.state when 'done' then 'uploaded' else i.state end,
           case when i.state = 'done' then 1.5 + (i.id % 1000 = 7)::int * 200 end,
           case when i.state <> 'done' then 'because' end,
           case i.state when 'skipped' then 'too_large' when 'failed' then 'refused' end
      from item i, unnest(array['EPUB', 'PDF']) f where i.state in ('done', 'skipped', 'failed')
    """,
    """
    insert into item (pipeline, collection, key, state, attempts, not_before, created, payload, result)
    select 'audiobooks', 'audiobooks',
           (array['convert', 'tag', 'deliver'])[n % 3 + 1] || '/Author/Book ' || n,
           (array['done', 'ready', 'failed', 'skipped'])[n % 4 + 1], 1, now(), now() - interval '10 days',
           jsonb_build_object('name', 'Book ' || n),
           case when n % 4 = 3 then '{"waits_for": "match", "reason": "unsure"}'::jsonb
                when n % 4 = 0 then jsonb_build_object('name', 'Book ' || n) end
      from generate_series(1, 5000) n
    """,
    """
    insert into audiobook_run (collection, stage, key, outcome, how, seconds, played, bytes)
    select 'audiobooks', (array['convert', 'tag', 'deliver'])[n % 3 + 1], 'Author/Book ' || n % 5000,
           (array['done', 'done', 'again', 'failed'])[n % 4 + 1], 'encode', 60, 36000, 500000000
      from generate_series(1, 30000) n
    """,
    """
    insert into attempt (item_id, number, worker, started, outcome, error_kind, error_text)
    select id, 1, 'home@1', now(), 'failed', 'permanent', error_text from item where state = 'failed'
    """,
    """
    insert into rate (pipeline, collection, minute, items, files, bytes, slow)
    select 'books', 'calibre', date_trunc('minute', now()) - make_interval(mins => n), 40, 80, 50000000, 1
      from generate_series(0, 43199) n
    """,
    """
    insert into worker (name, host, pipeline, collection, pid, life, phase)
    select 'home@' || n, 'home', 'books', 'calibre', n, n || ':1', 'uploading' from generate_series(0, 15) n
    """,
    """
    insert into worker_minute (worker, minute, state)
    select w.name, date_trunc('minute', now()) - make_interval(mins => n), 'running'
      from worker w, generate_series(0, 1439) n
    """,
    "insert into progress (worker, items, files, bytes) select name, 100, 200, 300 from worker",
    """
    insert into finding (host, pipeline, worker, what, outcome, subject, at)
    select 'home', 'books', 'home@' || n % 16, 'remedy', 'applied', 'Started again: ' || n,
           now() - make_interval(mins => n) from generate_series(1, 20000) n
    """,
    """
    insert into event (who, what, subject, at)
    select 'eva (session, dashboard)', 'retry', 'books:calibre/' || n, now() - make_interval(mins => n)
      from generate_series(1, 50000) n
    """,
    """
    insert into burst (id, library, mode, zone, outcome, started, ended, cost_eur)
    select 'films-' || n, 'films', 'delta', 'fr-par-1', 'ok', now() - make_interval(days => n),
           now() - make_interval(days => n, hours => -2), 0.4 from generate_series(1, 400) n
    """,
    """
    insert into burst_entry (burst, journal, number, at, phase, event, data)
    select b.id, 'controller', n, b.started + make_interval(secs => n), 'scan', 'progress',
           '{"text": "so far"}'
      from burst b, generate_series(1, 100) n
    """,
    """
    insert into mount_state (host, point, name, state) select 'home', '/srv/' || n, 'media' || n, 'healthy'
      from generate_series(1, 5) n
    """,
)

API = (
    "/api/v1/status",
    "/api/v1/status/books/calibre",
    "/api/v1/status/audiobooks/audiobooks",
    "/api/v1/queue",
    "/api/v1/queue?lane=done&limit=100",
    "/api/v1/queue?lane=waiting&limit=100",
    "/api/v1/queue?sort=-key&lane=failed",
    "/api/v1/queue?text=nothing+of+that+name",
    "/api/v1/items/500000",
    "/api/v1/failed",
    "/api/v1/workers",
    "/api/v1/healing",
    "/api/v1/mounts",
    "/api/v1/bursts",
    "/api/v1/bursts/films-7",
    "/api/v1/bursts/films-7/journal",
    "/api/v1/rates/books/calibre?steps=96&minutes=15",
    "/api/v1/audit",
    "/health/ready",
    "/metrics",
)
PAGES = (
    "/",
    "/?part=now",
    "/queue",
    "/queue?lane=failed",
    "/failed",
    "/failed?lane=archived",
    "/books",
    "/audiobooks",
    "/bursts",
    "/bursts/films-7",
    "/mounts",
    "/workers",
    "/audit",
    "/diagnostics?tab=infrastructure",
)


def measure() -> Iterator[Figure]:
    with (
        tempfile.TemporaryDirectory(prefix="medialift-pg-") as folder,
        _ledger(Path(folder)) as url,
        _served(url) as address,
        _at_work(url),
    ):
        _asked(address, WARM_SECONDS)
        took = _asked(address, SECONDS)
    for path in (*API, *PAGES):
        seconds = took[path]
        p95 = statistics.quantiles(seconds, n=20)[-1]
        yield Figure(
            f"GET {path} of a million items, {CLIENTS} clients at one request a second: the 95th percentile "
            f"over {_LIMIT_SECONDS * 1000:g} ms (n={len(seconds)})",
            p95 / _LIMIT_SECONDS,
            "x",
            "<= 1",
        )


@contextmanager
def _ledger(folder: Path) -> Iterator[str]:
    server = Server(folder)
    server.start()
    try:
        with Database(server.url()) as database:
            database.migrate()
        with psycopg.connect(server.url(), autocommit=True) as connection:
            for statement in _FILL:
                connection.execute(statement.replace("ITEMS", str(ITEMS)))
            connection.execute("vacuum (analyze)")
            connection.execute("checkpoint")
        yield server.url()
    finally:
        server.stop()


@contextmanager
def _served(url: str) -> Iterator[str]:
    """The address of a dashboard in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(url, there), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        here.send("end")
        process.join(30)


def _serve(url: str, told: Connection) -> None:
    settings = Settings.model_validate({"dashboard": {"port": 0}})
    with Database(url) as database, serving(settings, database) as address:
        told.send(address)
        told.recv()


@contextmanager
def _at_work(url: str) -> Iterator[None]:
    """Ten books a second are claimed and finished meanwhile."""
    stop = Event()

    def work() -> None:
        with Database(url) as database:
            while not stop.wait(1.0):
                with database.engine.begin() as connection:
                    leases = claim(
                        connection, pipeline="books", collection="calibre", owner="home@1", limit=10, ttl=600
                    )
                    for lease in leases:
                        finish(connection, lease, "done")

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


def _asked(address: str, seconds: float) -> dict[str, list[float]]:
    """{path: seconds of each answer}, asked for so long."""
    took: dict[str, list[float]] = defaultdict(list)
    ends = time.monotonic() + seconds
    paths = (*API, *PAGES)

    def client(number: int) -> None:
        turn = random.Random(number)  # noqa: S311  nobody guesses anything by it
        with httpx.Client(base_url=address, timeout=60) as asking:
            time.sleep(number / CLIENTS)
            at = number * len(paths) // CLIENTS
            while time.monotonic() < ends:
                path = paths[at % len(paths)]
                at += 1
                began = time.perf_counter()
                answer = asking.get(path)
                spent = time.perf_counter() - began
                if answer.status_code != 200:
                    raise AssertionError(f"{path}: {answer.status_code}")
                took[path].append(spent)
                time.sleep(max(0.0, 1.0 - spent + turn.uniform(-0.05, 0.05)))

    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(client, number) for number in range(CLIENTS)]:
            done.result()
    return took

"""Claiming a million items by four processes, against the bare statement in the same run.

Ours is what workers call: it looks whether the pipeline rests, and makes leases of what it gets. The bare one
is the statement alone, with psycopg, of which only numbers come back. The server is an embedded one with all
its safety on; both find a table that was just filled.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from medialift.queueing.claims import claim
from medialift.queueing.database import Database
from medialift.queueing.embedded import Server

from .figure import Figure, paired_ratio

GROUP = "books"

ITEMS, WORKERS, BATCH = 1_000_000, 4, 200
_PAIRS = 3
_QUEUE = ("books", "calibre")

_BARE = """
with tok as materialized (select nextval('claim_token') t),
pick as materialized (
  select id from item
   where pipeline = %s and collection = %s and state = 'ready' and not_before <= now()
   order by priority desc, id limit %s for update skip locked)
update item i set state = 'leased', attempts = attempts + 1, lease_owner = %s,
       lease_token = tok.t, lease_until = now() + make_interval(secs => 120)
  from pick, tok where i.id = pick.id returning i.id, i.lease_token
"""
_FILL = """
insert into item (pipeline, collection, key, fingerprint, weight, bytes, payload)
select 'books', 'calibre', n::text, md5(n::text), 2, 700000, '{}' from generate_series(1, %s) n
"""


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        # Not below a longer name: a socket's has a limit.
        server = Server(Path(folder))
        server.start()
        try:
            with Database(server.url()) as database:
                database.migrate()
            twice: list[int] = []
            ratio = paired_ratio(
                lambda: _go(server.url(), _bare, twice), lambda: _go(server.url(), _ours, twice), pairs=_PAIRS
            )
        finally:
            server.stop()
    yield Figure(
        f"claiming {ITEMS} items by {WORKERS} workers in batches of {BATCH}, items a second / those of the "
        "bare statement",
        100.0 * ratio,
        "%",
        ">= 50",
    )
    yield Figure(f"items claimed twice, of {ITEMS * len(twice)}", float(sum(twice)), "items", "<= 0")


def _go(url: str, worker: Callable[..., None], twice: list[int]) -> float:
    """Seconds from the first claim to the last; how many items were claimed twice is added to `twice`."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("truncate item cascade")
        connection.execute(_FILL, [ITEMS])
        connection.execute("vacuum (analyze) item")
        connection.execute("checkpoint")
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(WORKERS), context.Queue()
    processes = [
        context.Process(target=worker, args=(url, f"worker {number}", ready, results), daemon=True)
        for number in range(WORKERS)
    ]
    for process in processes:
        process.start()
    told = [results.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    ids = array("q")
    for one in told:
        ids.frombytes(one[2])
    if len(set(ids)) != ITEMS:
        raise AssertionError(f"{len(set(ids))} of {ITEMS} items were claimed, so the time says nothing")
    twice.append(len(ids) - len(set(ids)))
    return float(max(one[1] for one in told) - min(one[0] for one in told))


def _bare(url: str, name: str, ready: Any, results: Any) -> None:
    ids = array("q")
    with psycopg.connect(url, autocommit=True) as connection:
        ready.wait()
        began = time.monotonic()
        while rows := connection.execute(_BARE, [*_QUEUE, BATCH, name]).fetchall():
            ids.extend(row[0] for row in rows)
        results.put((began, time.monotonic(), ids.tobytes()))


def _ours(url: str, name: str, ready: Any, results: Any) -> None:
    ids = array("q")
    pipeline, collection = _QUEUE
    with Database(url) as database:
        database.check()
        ready.wait()
        began = time.monotonic()
        while True:
            with database.autocommit.connect() as connection:
                leases = claim(
                    connection, pipeline=pipeline, collection=collection, owner=name, limit=BATCH, ttl=120
                )
            if not leases:
                break
            ids.extend(lease.item_id for lease in leases)
        results.put((began, time.monotonic(), ids.tobytes()))

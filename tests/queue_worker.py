"""A worker as a process of its own: each item takes a moment, and each finish is noted in the ledger.

`python -m tests.queue_worker URL NAME …`: the table `finished` of the ledger gets one row for each result
that counted, in the transaction of the finish: the proof that nothing is lost and nothing finished twice.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

import psycopg
from sqlalchemy import Connection, text

from medialift.queueing.database import Database
from medialift.queueing.leases import Lease
from medialift.queueing.worker import Bounds, Crew, Pace, Worker

TABLE = (
    "create table if not exists finished (key text, worker text, token bigint, at timestamptz default now())"
)


class Counting:
    """Takes its time over each item, in order, two at a time; says on stdout what it begins."""

    def __init__(self, seconds: float, url: str, together: int = 2) -> None:
        self.seconds, self.url, self.together = seconds, url, together
        self.opened = 0

    async def open(self, crew: Crew) -> None:
        self.opened += 1

    async def close(self) -> None:
        self.opened -= 1

    async def work(self, leases: list[Lease], crew: Crew) -> None:
        gate = asyncio.Semaphore(self.together)

        async def one(lease: Lease) -> None:
            async with gate:
                if crew.draining.is_set() or not crew.held(lease):
                    return
                print(f"began {lease.key}", flush=True)
                await asyncio.sleep(self.seconds)
                if await crew.finish(
                    lease, "done", {"by": crew.name}, also=lambda c: note(c, lease, crew.name)
                ):
                    crew.progress(items=1, files=lease.weight, bytes=lease.bytes)
                    print(f"finished {lease.key}", flush=True)

        await asyncio.gather(*map(one, leases))


def note(connection: Connection, lease: Lease, name: str) -> None:
    connection.execute(
        text("insert into finished (key, worker, token) values (:key, :worker, :token)"),
        {"key": lease.key, "worker": name, "token": lease.token},
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("name")
    parser.add_argument("--seconds-per-item", type=float, default=0.02)
    parser.add_argument("--batch", type=int, default=5)
    parser.add_argument("--job-size", type=int, default=20)
    parser.add_argument("--lease", type=float, default=2.0)
    parser.add_argument("--heartbeat", type=float, default=0.5)
    parser.add_argument("--stalled", type=float, default=2.0)
    parser.add_argument("--poll", type=float, default=0.5)
    parser.add_argument("--sweep", type=float, default=15.0)
    parser.add_argument("--items", type=int)
    parser.add_argument("--until-done", action="store_true")
    parser.add_argument("--log", type=Path)
    given = parser.parse_args(argv)
    logging.basicConfig(filename=given.log, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    pace = Pace(
        batch=given.batch,
        job_size=given.job_size,
        lease=given.lease,
        margin=given.lease / 8,
        heartbeat=given.heartbeat,
        stalled=given.stalled,
        poll=given.poll,
        report=0.2,
        backoff_first=0.2,
        sweep=given.sweep,
    )
    with Database(given.url) as database:
        worker = Worker(
            database,
            Counting(given.seconds_per_item, given.url),
            given.name,
            "books",
            "calibre",
            pace,
            Bounds(items=given.items, until_done=given.until_done),
        )
        ended = worker.run_alone()
    print(f"ended {ended.why} {ended.totals.items}", flush=True)
    return 0


def make_table(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)


if __name__ == "__main__":
    sys.exit(main())

"""Whether anything changed of what the pages show: per topic one short text that is another when it did.

Each is made of a few rows or of the end of an index, never by counting items, so that it is asked for every
two seconds however large the ledger is.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from sqlalchemy import Connection, text

Topic = Literal[
    "overview", "queue", "workers", "healing", "bursts", "mounts", "posters", "audit", "diagnostics"
]
TOPICS: tuple[Topic, ...] = get_args(Topic)

# PostgreSQL counts what is written to a table anyway; leases that are taken and given back are seen at once.
_ITEMS = """
  coalesce((select concat(n_tup_ins, '+', n_tup_upd, '+', n_tup_del) from pg_stat_user_tables
             where relid = 'item'::regclass), ''),
  (select concat(count(*), '.', sum(id)) from item where state = 'leased'),
  (select concat(sum(items), '.', sum(files), '.', sum(bytes)) from progress),
  (select concat(count(*), '.', max(changed), '.', max(turned)) from control),
  (select max(id) from event)"""
# A sign of life every few seconds is no news; that one is missing is.
_WORKERS = """
  (select md5(string_agg(concat_ws('|', name, life, state, phase, current_item, drain, paused_why,
                                   floor(extract(epoch from heartbeat) / 10),
                                   now() - heartbeat > interval '30 seconds'), ',' order by name))
     from worker),
  (select md5(string_agg(concat_ws('|', worker, state, changed), ',' order by worker)) from care)"""
_HEALING = """
  (select max(id) from finding),
  (select md5(string_agg(concat_ws('|', worker, state, changed), ',' order by worker)) from care),
  (select concat(max(at), '.', sum(stuck)) from healer)"""
_BURSTS = "(select concat(count(*), '.', max(changed)) from burst)"
_MOUNTS = """
  (select md5(string_agg(concat_ws('|', host, point, state, since, detail,
                                   now() - at > interval '2 minutes'), ',' order by host, point))
     from mount_state)"""
_BATCHES = "(select concat(max(id), '.', max(cancelled)) from poster_batch)"
_SWITCHES = "(select md5(string_agg(s::text, ',' order by s::text)) from debug_switch s)"
_RECORDS = "(select concat(count(*), '.', extract(epoch from max(started))) from traffic_record)"

_TOLD: dict[Topic, str] = {
    "queue": _ITEMS,
    "workers": _WORKERS,
    "healing": _HEALING,
    "bursts": _BURSTS,
    "mounts": _MOUNTS,
    "overview": ", ".join((_ITEMS, _WORKERS, _HEALING, _BURSTS, _MOUNTS)),
    "posters": ", ".join((_ITEMS, _BATCHES)),
    "audit": "(select max(id) from event)",
    "diagnostics": ", ".join((_SWITCHES, _RECORDS, _ITEMS)),
}
_STATEMENTS = {topic: text(f"select concat_ws('/', {parts})") for topic, parts in _TOLD.items()}


def look(connection: Connection, topics: Iterable[Topic], records: Path) -> dict[Topic, str]:
    """How these topics stand.

    Args:
        records: the folder of the diagnostics, whose files are no rows.
    """
    found = {topic: str(connection.execute(_STATEMENTS[topic]).scalar_one()) for topic in topics}
    if "diagnostics" in found:
        found["diagnostics"] += f"/{_touched(records)}"
    return found


def _touched(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:  # nothing was recorded yet
        return 0

"""The evidence about real processes that hang, spin, leak, freeze, end, wait for a mount and for a lock."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from sqlalchemy import text

from medialift.errors import Transient
from medialift.foundation import holding
from medialift.foundation.jobs import Stopped
from medialift.foundation.waiting import wait_until
from medialift.healing import causes, history, looking, rules, space, surroundings
from medialift.healing.collecting import collect
from medialift.healing.decision import Cause, Remedy
from medialift.healing.evidence import Evidence, ServerHealth
from medialift.healing.fleet import Member
from medialift.healing.history import Entry, What
from medialift.healing.journal import LogFiles
from medialift.healing.observed import Observed, Trouble, Verdict
from medialift.healing.pipeline import Knob, Pipeline
from medialift.healing.surroundings import Surroundings
from medialift.mounts.orphans import argument
from medialift.queueing import control, workers
from medialift.queueing.database import Database, of_worker
from medialift.queueing.workers import Me
from medialift.settings import Settings
from tests.migration_world import Migration
from tests.mount_world import RealMount
from tests.queue_world import Books

NAME = "here@1"
STUCK = Verdict(Trouble.NO_PROGRESS, "No progress for 10 s", 10.0, 3.0)
SILENT = Verdict(Trouble.SILENT, "No sign of life for 10 s", 10.0, 3.0)
CRASHING = Verdict(Trouble.CRASH_LOOP, "It started 5 times", 10.0, 5.0)
MEMBER = Member(NAME, 1, "here-1", enabled=True, active=True)
PLAIN = Pipeline("books", "here-{number}")
KNOBS = {
    "parallel_uploads": Knob("MEDIALIFT_BOOKS__PARALLEL_UPLOADS", 1, 16, control="parallel"),
    "timeout": Knob("MEDIALIFT_BOOKS__TIMEOUT", 10, 900, whole=False),
    "strange": Knob("OF_SOMEBODY_ELSE", 1, 8),
}
SETTINGS = Settings.model_validate({"mounts": {"deadline": 3}, "books": {"password": "Pa55word-of-books"}})

HANG = "def wait_for_ever():\n    threading.Event().wait()\nprint('ready', flush=True)\nwait_for_ever()"
SPIN = "def compute():\n    while True:\n        pass\nprint('ready', flush=True)\ncompute()"
LEAK = "kept = bytearray(os.urandom(1 << 20) * 150)\nprint('ready', flush=True)\nthreading.Event().wait()"
READ = (
    "file = open(sys.argv[1], 'rb', buffering=0)\nprint('ready', flush=True)\n"
    "sys.stdin.readline()\nos.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)\nfile.read(8192)"
)


class Stage:
    """A ledger, and one worker with a process of its own."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder, self.books = database, folder, Books(database)
        self.log = folder / "here-1.log"
        self.process: subprocess.Popen[str] | None = None

    def run(self, program: str, *words: str) -> Observed:
        """Start a process that does this, and wait until it is ready."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"import os, sys, threading\n{program}", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        return self.seen()

    def seen(self, **figures: Any) -> Observed:
        """What the ledger would say of the worker."""
        pid = self.process.pid if self.process is not None else 0
        facts = holding.process(pid) if pid else None
        usual: dict[str, Any] = dict.fromkeys(("phase", "resting", "queue_rests"), "") | dict.fromkeys(
            ("items", "files", "bytes", "rows_read", "held", "waiting"), 0
        )
        usual |= {"name": NAME, "host": socket.gethostname(), "pipeline": "books", "collection": "calibre"}
        usual |= {"pid": pid, "life": f"{pid}:{facts.began if facts else 1}", "state": "running"}
        usual |= {"uptime": 60.0, "silence": 0.5, "idle": None, "phase_age": 60.0, "current_item": None}
        return Observed(**{**usual, **figures})

    def collect(
        self,
        seen: Observed,
        verdict: Verdict = STUCK,
        *,
        pipeline: Pipeline = PLAIN,
        member: Member | None = MEMBER,
        settings: Settings = SETTINGS,
        **given: Any,
    ) -> Evidence:
        with self.database.engine.begin() as connection:
            return collect(
                seen, verdict, member, pipeline, settings, connection, LogFiles(self.folder), **given
            )

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(database, tmp_path)
    yield made
    made.close()


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[RealMount]:
    there = RealMount(tmp_path)
    yield there
    there.down()


# -- processes --------------------------------------------------------------------------------------------


def test_of_a_process_that_hangs_the_stack_says_where(stage: Stage) -> None:
    seen = stage.run(HANG)
    found = stage.collect(seen)
    assert not found.missing
    assert any(line.startswith(f"Thread {seen.pid} (MainThread) waits") for line in found.stack)
    assert any("wait_for_ever (<string>" in line for line in found.stack)
    process = found.process
    assert process["state"] == "sleeping" and process["busy"] < 0.05 and process["moved"] == 0
    assert process["rss"] > 1 << 20 and process["threads"] >= 1 and process["open_files"] >= 3
    decision = rules.diagnose(found)
    assert decision is not None and (decision.cause, decision.remedy) == (Cause.HUNG, Remedy.RESTART)
    assert "wait (threading.py" in decision.explanation


def test_a_process_that_is_looked_at_is_never_stopped(stage: Stage) -> None:
    seen = stage.run("print('ready', flush=True)\nfor line in sys.stdin:\n    print(line, flush=True)")
    process = stage.process
    assert process is not None and process.stdin is not None and process.stdout is not None
    states = set()
    done = Event()

    def watch() -> None:
        while not done.is_set():
            states.add(psutil.Process(seen.pid).status())

    thread = Thread(target=watch)
    thread.start()
    stage.collect(seen)
    done.set()
    thread.join()
    assert not states & {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP}


def test_a_process_that_computes_without_end_is_told_from_one_that_waits(stage: Stage) -> None:
    found = stage.collect(stage.run(SPIN))
    assert found.process["wanted"] > rules.BUSY
    decision = rules.diagnose(found)
    assert decision is not None and decision.cause is Cause.HUNG
    assert "computes" in decision.explanation and "compute (<string>" in decision.explanation


def test_a_frozen_process_is_seen_to_be_stopped(stage: Stage) -> None:
    seen = stage.run(HANG)
    os.kill(seen.pid, signal.SIGSTOP)
    assert wait_until(lambda: psutil.Process(seen.pid).status() == "stopped", at_most=10, every=0.01)
    decision = rules.diagnose(stage.collect(seen, SILENT))
    assert decision is not None and decision.remedy is Remedy.RESTART
    assert "is stopped" in decision.explanation


def test_a_process_that_leaks_is_seen_against_its_limit_and_does_half_as_much_at_once(stage: Stage) -> None:
    seen = stage.run(LEAK)
    cgroups = stage.folder / "cgroups"
    for root in (cgroups, cgroups / "memory"):
        root.mkdir()
    (cgroups / "memory.max").write_text(f"{160 << 20}\n")
    (cgroups / "memory" / "memory.limit_in_bytes").write_text(f"{160 << 20}\n")
    found = stage.collect(seen, pipeline=replace(PLAIN, knobs=KNOBS), cgroups=cgroups)
    assert found.process["rss"] > 150 << 20 and found.memory_limit == 160 << 20
    decision = rules.diagnose(found)
    assert decision is not None and (decision.cause, decision.remedy) == (Cause.MEMORY, Remedy.CONFIG_FIX)
    assert decision.settings == {"parallel_uploads": 2}


def test_the_kernels_own_limit_of_this_process_can_be_read() -> None:
    limit = looking.memory_limit(os.getpid())
    assert limit is None or limit > 1 << 20


def test_a_process_that_ended_is_gone_and_its_number_is_nobody_elses(stage: Stage) -> None:
    ended = stage.run("print('ready', flush=True)")
    assert stage.process is not None and stage.process.wait(10) == 0
    found = stage.collect(ended, SILENT, member=replace(MEMBER, active=False))
    assert found.process == {"state": "gone"} and not found.stack
    decision = rules.diagnose(found)
    assert decision is not None and (decision.cause, decision.remedy) == (Cause.CRASH, Remedy.RESTART)
    # A later process has the number: it is not the worker's.
    other = replace(ended, pid=os.getpid(), life=f"{os.getpid()}:1")
    assert stage.collect(other, SILENT, member=None).process == {"state": "gone"}


def test_a_worker_that_never_came_as_far_as_the_ledger_is_known_by_its_service(stage: Stage) -> None:
    seen = stage.run(HANG)
    stranger = replace(seen, pid=0, life="")
    found = stage.collect(stranger, SILENT, member=replace(MEMBER, pid=seen.pid))
    assert found.process["state"] == "sleeping" and found.stack


def test_a_process_that_is_none_of_pythons_has_no_stack_and_all_else(stage: Stage) -> None:
    stage.process = subprocess.Popen(["sleep", "600"], text=True)
    found = stage.collect(stage.seen())
    assert set(found.missing) == {"stack"}
    assert found.process["state"] == "sleeping"


def test_a_crash_loop_names_what_the_log_repeats(stage: Stage) -> None:
    stage.log.write_text("Traceback (most recent call last):\nRuntimeError: cannot begin at 12\n" * 300)
    found = stage.collect(stage.seen(lives=5), CRASHING)
    assert len(found.log) == 500
    assert (found.patterns[0].text, found.patterns[0].count) == ("RuntimeError: cannot begin at #", 250)
    decision = rules.diagnose(found)
    assert decision is not None and decision.cause is Cause.CRASH
    assert "5 times" in decision.explanation and "cannot begin" in decision.explanation


# -- logs -------------------------------------------------------------------------------------------------


def test_a_log_is_kept_without_secrets_and_with_what_a_database_and_a_terminal_can_take(stage: Stage) -> None:
    stage.log.write_bytes(
        b"ERROR Pa55word-of-books was refused\n"
        b"ERROR token=abcdef0123456789 \x00 \x1b[2J \xff \xe2\x80\xae\n" + b"ERROR " + b"x" * 5000 + b"\n"
    )
    found = stage.collect(stage.seen(), SILENT)
    kept = "\n".join(found.log)
    assert "Pa55word" not in kept and "abcdef0123456789" not in kept
    assert not any(character in kept for character in "\x00\x1b\u202e")
    assert max(map(len, found.log)) == 500
    entry = Entry(What.FINDING, "here", "books", NAME, detail=found.to_dict())
    stage.books.read(history.record, entry)
    (there,) = stage.books.read(history.latest, limit=1)
    assert there.detail["log"] == list(found.log)
    json.dumps(found.to_dict())


def test_a_log_that_says_very_much_is_kept_from_its_end(stage: Stage) -> None:
    stage.log.write_text("".join(f"{number} {'x' * 490}\n" for number in range(1000)))
    found = stage.collect(stage.seen(), SILENT)
    assert found.log[-1].startswith("999 ") and sum(map(len, found.log)) <= 60_000


# -- mounts -----------------------------------------------------------------------------------------------


def reading(mount: RealMount, **mounts: Any) -> tuple[Pipeline, Settings]:
    given = {"mounts": {"deadline": 2, "points": [str(mount.place)], **mounts}}
    return replace(PLAIN, mounts=lambda _: [mount.place / "library"]), Settings.model_validate(given)


def test_a_mount_that_hangs_is_found_and_waited_for_and_then_seen_to_be_well_again(
    stage: Stage, mount: RealMount
) -> None:
    (file, *_) = mount.fill("library/a.epub", "library/b.epub", "library/c.epub", size=4_000_000)
    mount.up()
    pipeline, settings = reading(mount)
    assert causes.gone(Cause.MOUNT_DOWN, pipeline, settings)
    seen = stage.run(READ, file)
    mount.freeze()
    process = stage.process
    assert process is not None and process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert wait_until(lambda: list(looking.waits(seen.pid)), at_most=10, every=0.05)  # type: ignore[arg-type]
    began = time.monotonic()
    found = stage.collect(seen, pipeline=pipeline, settings=settings)
    assert time.monotonic() - began < 30
    assert [one.state for one in found.mounts] == ["hung"]
    assert found.files.count(file) == 1, "its path is told without touching it"
    assert found.process["waits"] and looking.is_remote(found.process["waits"][0])
    decision = rules.diagnose(found)
    assert decision is not None and decision.by == "rule hung_mount"
    assert (decision.cause, decision.remedy) == (Cause.MOUNT_DOWN, Remedy.WAIT)
    # Nobody probed it, and the host says what it says of a hung mount: that is enough.
    unknown = replace(found, mounts=(), pressure={"hung_mount": True})
    decision = rules.diagnose(unknown)
    assert decision is not None and decision.by == "rule hung_mount"
    assert not causes.gone(Cause.MOUNT_DOWN, pipeline, settings)
    assert mount.rclone is not None
    mount.rclone.send_signal(signal.SIGCONT)
    assert wait_until(lambda: causes.gone(Cause.MOUNT_DOWN, pipeline, settings), at_most=30, every=0.2)


def test_looks_at_a_disk_that_hangs_do_not_pile_up(stage: Stage, mount: RealMount) -> None:
    mount.fill("library/a.epub")
    mount.up()
    pipeline = replace(PLAIN, disks=lambda _: [mount.place])
    assert [one.path for one in stage.collect(stage.seen(), pipeline=pipeline).disks] == [str(mount.place)]
    mount.freeze()
    for _ in range(3):
        with pytest.raises(Transient, match="does not answer"):
            space.free(mount.place, seconds=0.5)
    readers = [
        one
        for one in psutil.process_iter(["cmdline"])
        if argument(str(mount.place)) in (one.info["cmdline"] or ())  # None: it has just ended
    ]
    assert len(readers) <= 1
    found = stage.collect(stage.seen(), pipeline=pipeline)
    assert not found.disks and "does not answer" in found.missing[f"disk {mount.place}"]
    assert found.items["held"] == 0


@pytest.mark.parametrize("killed", [True, False])
def test_a_mount_that_is_gone_is_waited_for(stage: Stage, mount: RealMount, killed: bool) -> None:
    mount.fill("library/a.epub", "library/b.epub")
    mount.up()
    pipeline, settings = reading(mount)
    if killed:
        mount.kill()
    else:
        mount.down()
        # What lies below a mount point, for whoever takes it for the mount.
        (mount.place / "library").mkdir()
        (mount.place / "library" / "a.epub").write_bytes(b"another")
    found = stage.collect(stage.seen(), pipeline=pipeline, settings=settings)
    assert [one.state for one in found.mounts] == ["stale" if killed else "absent"]
    decision = rules.diagnose(found)
    assert decision is not None and decision.by == "rule mount_down" and decision.remedy is Remedy.WAIT
    assert not causes.gone(Cause.MOUNT_DOWN, pipeline, settings)


def test_a_library_that_lies_on_a_plain_folder_needs_no_mount(stage: Stage, mount: RealMount) -> None:
    mount.fill("library/a.epub")
    pipeline = replace(PLAIN, mounts=lambda _: [mount.source / "library"])
    assert [one.state for one in stage.collect(stage.seen(), pipeline=pipeline).mounts] == ["healthy"]
    (mount.source / "library" / "a.epub").unlink()
    assert [one.state for one in stage.collect(stage.seen(), pipeline=pipeline).mounts] == ["empty"]


# -- servers and disks ------------------------------------------------------------------------------------


def asking(url: str) -> Callable[[Settings], ServerHealth]:
    def ask(_settings: Settings) -> ServerHealth:
        try:
            answer = httpx.get(url, timeout=2, trust_env=False)
        except httpx.HTTPError as error:
            return ServerHealth("the server", ok=False, why=type(error).__name__)
        return ServerHealth("the server", ok=answer.is_success, latency=0.1)

    return ask


class _Well(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is told."""


@contextmanager
def serving(port: int) -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", port), _Well)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def test_a_server_that_goes_away_is_waited_for_until_it_answers_again(stage: Stage) -> None:
    with serving(0) as port:
        pipeline = replace(PLAIN, server=asking(f"http://127.0.0.1:{port}/"))
        found = stage.collect(stage.seen(), pipeline=pipeline)
        assert found.server is not None and found.server.ok
    down = stage.collect(stage.seen(), pipeline=pipeline)
    decision = rules.diagnose(down)
    assert decision is not None and (decision.cause, decision.remedy) == (Cause.SERVER_DOWN, Remedy.WAIT)
    assert not causes.gone(Cause.SERVER_DOWN, pipeline, SETTINGS)
    with serving(port):
        assert causes.gone(Cause.SERVER_DOWN, pipeline, SETTINGS)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_disk_that_is_full_is_told_at_once_and_seen_to_have_room_again(stage: Stage) -> None:
    place = stage.folder / "disk"
    place.mkdir()
    with ExitStack() as undo:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], check=True, timeout=20)
        undo.callback(subprocess.run, ["umount", "-l", place], check=True, timeout=20)
        pipeline = replace(PLAIN, disks=lambda _: [place])
        assert (
            rules.diagnose(stage.collect(stage.seen(), CRASHING, pipeline=pipeline)).by == "rule crash_loop"
        )  # type: ignore[union-attr]
        with pytest.raises(OSError, match="No space left"):
            (place / "large").write_bytes(bytes(9 << 20))
        decision = rules.diagnose(stage.collect(stage.seen(), CRASHING, pipeline=pipeline))
        assert decision is not None
        assert (decision.cause, decision.remedy) == (Cause.DISK_FULL, Remedy.ESCALATE)
        assert not causes.gone(Cause.DISK_FULL, pipeline, SETTINGS)
        (place / "large").unlink()
        assert causes.gone(Cause.DISK_FULL, pipeline, SETTINGS)


def test_what_cannot_be_seen_is_never_taken_for_gone(stage: Stage) -> None:
    nowhere = replace(
        PLAIN, mounts=lambda _: [stage.folder / "nowhere"], disks=lambda _: [stage.folder / "nowhere"]
    )
    for cause in Cause:
        assert not causes.gone(cause, PLAIN, SETTINGS)
        assert not causes.gone(cause, nowhere, SETTINGS)


# -- the ledger -------------------------------------------------------------------------------------------


@contextmanager
def waiting_for_a_lock(url: str, holder: str) -> Iterator[None]:
    """A session of the worker waits for what another session of this name holds."""
    with (
        psycopg.connect(url, application_name=holder, autocommit=True) as held,
        psycopg.connect(url, application_name=of_worker(NAME), autocommit=True) as waits,
    ):
        held.execute("create table locked (number int)")
        held.execute("insert into locked values (0)")
        held.execute("begin")
        held.execute("update locked set number = 1")

        def wait() -> None:
            waits.execute("update locked set number = 2")

        thread = Thread(target=wait)
        thread.start()
        try:
            yield
        finally:
            held.execute("rollback")
            thread.join(20)


def blocked(stage: Stage) -> Evidence:
    assert wait_until(lambda: stage.collect(stage.seen()).blocked > 1.2, at_most=30, every=0.2)
    return stage.collect(stage.seen())


def test_a_lock_of_another_session_is_told_with_who_holds_it(stage: Stage) -> None:
    with waiting_for_a_lock(stage.database.url, "somebody's psql"):
        found = blocked(stage)
        assert found.blocker == "somebody's psql (idle in transaction)"
        decision = rules.diagnose(found)
        assert decision is not None and (decision.cause, decision.remedy) == (
            Cause.DATABASE_LOCKED,
            Remedy.WAIT,
        )
        another = replace(stage.seen(), name="here@2")
        assert stage.collect(another).blocked == 0.0, "it is another worker that waits"
    assert stage.collect(stage.seen()).blocked == 0.0


def test_a_lock_that_a_worker_holds_against_itself_is_mended_by_a_restart(stage: Stage) -> None:
    with waiting_for_a_lock(stage.database.url, of_worker(NAME)):
        found = blocked(stage)
        assert found.blocker == "itself"
        decision = rules.diagnose(found)
        assert decision is not None and decision.remedy is Remedy.RESTART


def test_the_items_that_it_holds_and_the_one_that_it_is_at(stage: Stage) -> None:
    stage.books.add_many(20)
    leases = stage.books.claim(5, owner=NAME)
    stage.books.fail(leases[2], Transient("not now"))
    (again,) = (lease for lease in stage.books.claim(20, owner=NAME) if lease.key == "3")
    found = stage.collect(stage.seen(current_item=again.item_id)).items
    assert found == {
        **{"first": "1", "last": "20", "held": 20, "current": "3", "attempts": 1, "lost": 0},
        **{"repeating": "3", "repeating_lost": 0, "repeating_again": 1},
    }
    assert stage.collect(replace(stage.seen(), name="here@2")).items == {
        "first": None,
        "last": None,
        "held": 0,
    }


def test_a_worker_that_brings_books_tells_which_one_it_has_been_at_for_longest(migration: Migration) -> None:
    book = migration.library.add("A large book", ["A B"], formats={"PDF": b"x" * 4_000_000})
    migration.library.add("A small book", ["A B"], formats={"PDF": b"small"})
    migration.plan()
    migration.spawn("one", books={"bandwidth": 400_000})
    books = Books(migration.database)

    def at() -> int:
        return int(books.scalar("select coalesce(max(current_item), 0) from worker where state <> 'gone'"))

    def small_is_done() -> bool:
        return migration.states().get("done") == 1

    migration.until(small_is_done)
    migration.until(lambda: at() == migration.item(book).id)
    migration.end()


def test_an_item_that_ends_one_life_after_the_other_stands_out_from_those_lost_with_it(stage: Stage) -> None:
    stage.books.add_many(3)
    for pid in (101, 102, 103):
        me = Me(NAME, "books", "calibre", pid=pid, life=f"{pid}:1")
        stage.books.read(workers.register, me, lives=lambda _: False)
        stage.books.execute("update item set not_before = now() where state = 'ready'")
        for lease in stage.books.claim(5, owner=NAME):
            if lease.key != "2" and pid > 101:
                stage.books.finish(lease)
    stage.books.read(
        workers.register, Me(NAME, "books", "calibre", pid=104, life="104:1"), lives=lambda _: False
    )
    found = stage.collect(stage.seen(lives=5), CRASHING)
    assert (found.items["repeating"], found.items["repeating_lost"]) == ("2", 3)
    decision = rules.diagnose(found)
    assert decision is not None and (decision.cause, decision.item) == (Cause.SAME_ITEM, "2")


def test_items_that_were_all_lost_together_do_not_stand_out(stage: Stage) -> None:
    stage.books.add_many(3)
    for pid in (101, 102, 103):
        me = Me(NAME, "books", "calibre", pid=pid, life=f"{pid}:1")
        stage.books.read(workers.register, me, lives=lambda _: False)
        stage.books.execute("update item set not_before = now() where state = 'ready'")
        stage.books.claim(5, owner=NAME)
    assert "repeating" not in stage.collect(stage.seen(), CRASHING).items


def test_one_that_was_found_stuck_at_the_same_item_before_its_restart_has_it_to_blame(stage: Stage) -> None:
    stage.books.add_many(5)
    first = stage.books.claim(5, owner=NAME)[1]
    before = stage.collect(stage.seen(current_item=first.item_id))
    assert "before" not in before.items
    stage.books.read(history.record, Entry(What.FINDING, "here", "books", NAME, detail=before.to_dict()))
    assert "before" not in stage.collect(stage.seen(current_item=first.item_id)).items, "it is the same life"
    found = stage.collect(stage.seen(life="7:7", current_item=first.item_id))
    assert found.items["before"] == found.items["current"] == "2"
    decision = rules.diagnose(found)
    assert decision is not None and (decision.cause, decision.item) == (Cause.SAME_ITEM, "2")


def test_the_settings_that_may_be_changed_are_told_as_they_are_for_this_worker(stage: Stage) -> None:
    pipeline = replace(PLAIN, knobs=KNOBS)
    own = replace(MEMBER, settings={"MEDIALIFT_BOOKS__TIMEOUT": "33.5"})
    found = stage.collect(stage.seen(), pipeline=pipeline, member=own).knobs
    assert (found["parallel_uploads"].now, found["parallel_uploads"].fixed) == (4, False)
    assert (found["timeout"].now, found["timeout"].highest) == (33.5, 900)
    assert found["strange"].now == 8, "nobody here knows what it is"
    stage.books.change(control.change, parallel=9)
    fixed = stage.collect(stage.seen(), pipeline=pipeline, member=own).knobs["parallel_uploads"]
    assert (fixed.now, fixed.fixed) == (9, True)


def test_a_ledger_that_does_not_tell_costs_only_what_it_would_have_told(stage: Stage) -> None:
    stage.books.add_many(5)
    seen = stage.run(HANG)
    with (
        psycopg.connect(stage.database.url) as other,
        stage.database.engine.begin() as connection,
    ):
        connection.execute(text("set local statement_timeout = '77s'"))
        connection.execute(text("insert into event (who, what) values ('me', 'before')"))
        other.execute("lock table attempt in access exclusive mode")
        found = collect(seen, STUCK, MEMBER, PLAIN, SETTINGS, connection, LogFiles(stage.folder))
        other.rollback()
        assert set(found.missing) == {"items"} and "timeout" in found.missing["items"]
        assert found.stack and found.process["state"] == "sleeping"
        assert connection.execute(text("show statement_timeout")).scalar_one() == "77s"
    assert stage.books.scalar("select count(*) from event where what = 'before'") == 1


# -- all together -----------------------------------------------------------------------------------------


class _Broken:
    def newest(self, unit: str, lines: int = 500) -> Sequence[str]:
        raise ValueError(f"no log of {unit}")


def test_whatever_is_missing_the_rest_is_there(stage: Stage) -> None:
    seen = stage.run(HANG)

    def broken(_settings: Settings) -> ServerHealth:
        raise RuntimeError("nobody thought of this")

    pipeline = replace(
        PLAIN,
        server=broken,
        disks=lambda _: [Path("/"), stage.folder / "nowhere"],
        mounts=lambda _: [stage.folder],
    )
    (stage.folder / "file").write_text("content")
    with stage.database.engine.begin() as connection:
        found = collect(seen, STUCK, MEMBER, pipeline, SETTINGS, connection, _Broken())
    assert set(found.missing) == {"log", "server", f"disk {stage.folder / 'nowhere'}"}
    assert found.missing["log"] == "no log of here-1"
    assert [one.state for one in found.mounts] == ["healthy"] and len(found.disks) == 1
    assert found.stack and found.items["held"] == 0
    json.dumps(found.to_dict())


def test_a_ledger_that_is_away_raises_nothing(stage: Stage) -> None:
    seen = stage.run(HANG)
    with stage.database.engine.connect() as connection:
        pid = connection.execute(text("select pg_backend_pid()")).scalar_one()
        stage.books.scalar("select pg_terminate_backend(:pid)", pid=pid)
        found = collect(seen, STUCK, MEMBER, PLAIN, SETTINGS, connection, LogFiles(stage.folder))
    assert {"items", "locks", "settings"} <= set(found.missing)
    assert found.stack


def test_what_was_seen_of_the_surroundings_is_not_looked_at_again(stage: Stage) -> None:
    asked: list[Settings] = []

    def server(settings: Settings) -> ServerHealth:
        asked.append(settings)
        return ServerHealth("the server", ok=True, latency=0.1)

    pipeline = replace(PLAIN, server=server)
    around = surroundings.look_around(pipeline, SETTINGS)
    for _ in range(3):
        assert stage.collect(stage.seen(), pipeline=pipeline, around=around).server == around.server
    assert len(asked) == 1
    assert Surroundings() != around


def test_collecting_ends_at_once_when_the_healing_does(stage: Stage) -> None:
    stop, held = Event(), Event()

    def slow(_settings: Settings) -> ServerHealth:
        held.wait(60)
        return ServerHealth("the server", ok=True)

    Thread(target=lambda: (time.sleep(0.5), stop.set())).start()
    began = time.monotonic()
    with pytest.raises(Stopped):
        stage.collect(stage.seen(), pipeline=replace(PLAIN, server=slow), stop=stop)
    assert time.monotonic() - began < 10
    held.set()

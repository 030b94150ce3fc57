"""What each rule finds, in which order they are asked, and what no log can ever make them do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medialift.healing import patterns, rules
from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.evidence import DiskSpace, Evidence, KnobNow, MountHealth, ServerHealth
from medialift.healing.observed import Observed, Trouble, Verdict
from medialift.mounts.verdict import HEALTHY, STATES

GB = 1_000_000_000
AT = "2026-11-28T20:23:26+0000 home"
SEEN = Observed(
    name="home@1",
    host="home",
    pipeline="books",
    collection="calibre",
    pid=42,
    life="42:1000",
    phase="bringing books",
    state="running",
    resting="",
    uptime=3600.0,
    silence=5.0,
    idle=400.0,
    phase_age=3000.0,
    items=100,
    files=120,
    bytes=10**9,
    rows_read=100,
    current_item=7,
    held=50,
    waiting=1000,
    queue_rests="",
    lives=6,
)
STUCK = Verdict(Trouble.NO_PROGRESS, "No progress for 6 min 40 s", 400.0, 300.0)
CRASHING = Verdict(Trouble.CRASH_LOOP, "It started 6 times", 300.0, 5.0)
SILENT = Verdict(Trouble.SILENT, "No sign of life for 4 min", 240.0, 180.0)
# One that does a little, as nothing explains: no rule says anything about it.
LITTLE: Mapping[str, Any] = {"state": "sleeping", "rss": 200_000_000, "busy": 0.3, "wanted": 0.4, "moved": 0}
WAITING: Mapping[str, Any] = {**LITTLE, "busy": 0.001, "wanted": 0.002}
ROOM = DiskSpace("/srv/books", 500 * GB, 1000 * GB, 10**7)
FULL = DiskSpace("/srv/books", 10_000, 1000 * GB, 10**7)
UP = ServerHealth("MyBookshelf2", ok=True, latency=0.1)
DOWN = ServerHealth("MyBookshelf2", ok=False, why="connection refused")
MOUNTED = MountHealth("/srv/calibre", HEALTHY)
ABSENT = MountHealth("/srv/calibre", "absent", "nothing is mounted there")
HANGS = MountHealth("/srv/calibre", "hung", "listing /srv/calibre did not come back in 20 s")
STALLED = {"hung_mount": True, "iowait": 0.99, "stalled": 0.99, "disks": {"vda": 0.01}}
FOUR = {"parallel_uploads": KnobNow(4, 1, 16)}


def evidence(verdict: Verdict = STUCK, **found: Any) -> Evidence:
    usual: dict[str, Any] = {
        "process": LITTLE,
        "mounts": (MOUNTED,),
        "server": UP,
        "disks": (ROOM,),
        "knobs": FOUR,
    }
    log = tuple(found.get("log", ()))
    return Evidence(SEEN, verdict, **{**usual, "patterns": patterns.patterns(log), **found, "log": log})


def decided(verdict: Verdict = STUCK, **found: Any) -> Decision:
    decision = rules.diagnose(evidence(verdict, **found))
    assert decision is not None
    assert decision.confidence == 1.0 and decision.explanation
    return decision


def told(decision: Decision) -> tuple[str, Cause, Remedy]:
    return (decision.by, decision.cause, decision.remedy)


def test_what_cannot_be_explained_gets_no_decision() -> None:
    assert rules.diagnose(evidence()) is None
    assert rules.diagnose(Evidence(SEEN, STUCK)) is None


def test_each_rule_has_a_name_of_its_own() -> None:
    names = [rule.name for rule in rules.RULES]
    assert len(set(names)) == len(names)


# -- what is known for certain ----------------------------------------------------------------------------


def test_a_full_disk_is_told_at_once_since_no_restart_brings_space() -> None:
    decision = decided(disks=(ROOM, FULL))
    assert told(decision) == ("rule disk_full", Cause.DISK_FULL, Remedy.ESCALATE)
    assert "10 kB of 1 TB" in decision.explanation.replace("10.0", "10").replace("1.00", "1")


def test_a_disk_without_room_for_files_is_full_though_it_has_bytes() -> None:
    decision = decided(disks=(DiskSpace("/srv/books", 500 * GB, 1000 * GB, 3),))
    assert told(decision) == ("rule disk_full", Cause.DISK_FULL, Remedy.ESCALATE)
    assert "3 files" in decision.explanation


def test_a_small_disk_is_not_full_for_being_small() -> None:
    assert rules.diagnose(evidence(disks=(DiskSpace("/boot", 60_000_000, 100_000_000, None),))) is None


@pytest.mark.parametrize("state", [one for one in STATES if one not in (HEALTHY, "hung")])
def test_a_mount_that_is_not_healthy_is_waited_for(state: str) -> None:
    decision = decided(mounts=(MOUNTED, MountHealth("/srv/more", state, "why")))
    assert told(decision) == ("rule mount_down", Cause.MOUNT_DOWN, Remedy.WAIT)
    assert "/srv/more" in decision.explanation and state in decision.explanation


def test_a_hung_mount_is_a_finding_of_its_own() -> None:
    decision = decided(mounts=(HANGS,), pressure=STALLED)
    assert told(decision) == ("rule hung_mount", Cause.MOUNT_DOWN, Remedy.WAIT)
    assert "disks are idle" in decision.explanation
    assert "disks" not in decided(mounts=(HANGS,)).explanation


def test_a_thread_that_waits_for_a_mount_while_the_disks_are_idle_tells_of_one_that_nobody_probed() -> None:
    waits = {**WAITING, "state": "disk-sleep", "waits": ["request_wait_answer"]}
    assert told(decided(process=waits, mounts=(), pressure=STALLED))[0] == "rule hung_mount"
    # Neither a host that waits for I/O nor a thread that does says so alone.
    assert rules.diagnose(evidence(process=waits, mounts=())) is None
    assert told(decided(process=WAITING, mounts=(), pressure=STALLED))[0] == "rule hung"
    # It was read from a moment ago.
    assert rules.diagnose(evidence(process=waits, pressure=STALLED)) is None


def test_a_server_that_is_down_is_waited_for() -> None:
    decision = decided(server=DOWN)
    assert told(decision) == ("rule server_down", Cause.SERVER_DOWN, Remedy.WAIT)
    assert "connection refused" in decision.explanation


def test_a_lock_that_another_session_holds_is_waited_for_and_one_of_its_own_is_not() -> None:
    other = decided(blocked=290.0, blocker="psql (idle in transaction)")
    assert told(other) == ("rule ledger_locked", Cause.DATABASE_LOCKED, Remedy.WAIT)
    assert "psql (idle in transaction)" in other.explanation and "4 min 50 s" in other.explanation
    own = decided(blocked=290.0, blocker="itself")
    assert told(own) == ("rule ledger_locked", Cause.DATABASE_LOCKED, Remedy.RESTART)


def test_a_lock_that_was_waited_for_just_now_explains_nothing() -> None:
    assert rules.diagnose(evidence(blocked=20.0, blocker="psql")) is None


def test_what_is_certain_goes_before_what_is_not_and_the_root_before_what_grows_from_it() -> None:
    everything: dict[str, Any] = {
        "disks": (FULL,),
        "mounts": (HANGS, ABSENT),
        "server": DOWN,
        "blocked": 290.0,
        "process": {**WAITING, "rss": 950},
        "memory_limit": 1000,
        "items": {"current": "7", "before": "7"},
    }
    well: list[tuple[str, dict[str, Any], str]] = [
        ("disk_full", {"disks": (ROOM,)}, "hung_mount"),
        ("hung_mount", {"mounts": (ABSENT,)}, "mount_down"),
        ("mount_down", {"mounts": (MOUNTED,)}, "server_down"),
        ("server_down", {"server": UP}, "ledger_locked"),
        ("ledger_locked", {"blocked": 0.0}, "memory"),
        ("memory", {"memory_limit": None}, "same_item"),
        ("same_item", {"items": {}}, "hung"),
    ]
    for name, mended, then in well:
        assert decided(**everything).by == f"rule {name}"
        everything |= mended
        assert decided(**everything).by == f"rule {then}"


# -- memory -----------------------------------------------------------------------------------------------


def test_one_that_is_near_its_limit_of_memory_does_half_as_much_at_once() -> None:
    decision = decided(process={**LITTLE, "rss": 920_000_000}, memory_limit=GB)
    assert told(decision) == ("rule memory", Cause.MEMORY, Remedy.CONFIG_FIX)
    assert decision.settings == {"parallel_uploads": 2}
    assert rules.diagnose(evidence(process={**LITTLE, "rss": 890_000_000}, memory_limit=GB)) is None


@pytest.mark.parametrize(
    ("knob", "settings"),
    [
        (KnobNow(3, 1, 16), {"parallel_uploads": 1}),
        (KnobNow(64, 1, 16), {"parallel_uploads": 16}),  # what is set by hand may be out of bounds
        (KnobNow(1, 1, 16), {}),
        (KnobNow(8, 1, 16, fixed=True), {}),
        (None, {}),
    ],
)
def test_the_fix_stays_within_bounds_and_without_room_for_one_it_is_a_restart(
    knob: KnobNow | None, settings: dict[str, int]
) -> None:
    knobs = {} if knob is None else {"parallel_uploads": knob}
    decision = decided(process={**LITTLE, "rss": GB}, memory_limit=GB, knobs=knobs)
    assert decision.cause is Cause.MEMORY
    assert decision.settings == settings
    assert decision.remedy is (Remedy.CONFIG_FIX if settings else Remedy.RESTART)


def test_without_a_limit_of_its_own_the_host_is_the_limit() -> None:
    host = {"host_total": 8 * GB, "host_available": GB // 5}
    assert told(decided(process={**LITTLE, **host, "rss": 6 * GB}))[0] == "rule memory"
    assert rules.diagnose(evidence(process={**LITTLE, **host})) is None, "it is another's"


def test_one_that_was_killed_for_want_of_memory_again_and_again_does_less_at_once() -> None:
    decision = decided(
        CRASHING, log=[f"{AT} systemd[1]: books-worker@1.service: Failed with result 'oom-kill'."]
    )
    assert told(decision) == ("rule memory", Cause.MEMORY, Remedy.CONFIG_FIX)
    # What a worker writes itself is never taken for systemd's word.
    for forged in (
        f"{AT} books-worker[42]: systemd[1]: books-worker@1.service: Failed with result 'oom-kill'.",
        f"{AT} books-worker[42]: WARNING oom-kill",
    ):
        assert told(decided(CRASHING, log=[forged]))[0] == "rule crash_loop"


# -- items ------------------------------------------------------------------------------------------------


def test_one_that_is_stuck_at_the_same_item_after_a_restart_has_it_to_blame() -> None:
    decision = decided(items={"current": "7", "before": "7", "attempts": 1, "lost": 1})
    assert told(decision) == ("rule same_item", Cause.SAME_ITEM, Remedy.RESTART)
    assert decision.item == "7" and "item 7" in decision.explanation


def test_an_item_that_was_lost_with_all_others_of_a_batch_is_not_to_blame() -> None:
    assert rules.diagnose(evidence(items={"current": "8", "before": "7", "attempts": 1, "lost": 1})) is None


def test_an_item_that_is_put_off_again_and_again_is_to_blame() -> None:
    decision = decided(items={"current": "7", "attempts": 2, "lost": 0})
    assert (decision.cause, decision.item) == (Cause.SAME_ITEM, "7")
    assert rules.diagnose(evidence(items={"current": "7", "attempts": 1, "lost": 0})) is None


def test_an_item_that_ends_one_worker_after_the_other_stands_out() -> None:
    ended = {"repeating": "7", "repeating_lost": 3, "repeating_again": 3}
    decision = decided(CRASHING, items=ended)
    assert (decision.cause, decision.remedy, decision.item) == (Cause.SAME_ITEM, Remedy.RESTART, "7")
    # What a crashing one was at when somebody looked is chance.
    assert decided(CRASHING, items={"current": "8", "before": "8"}).cause is Cause.CRASH
    assert decided(CRASHING, items={**ended, "repeating_lost": 1}).cause is Cause.CRASH


def test_an_item_that_its_log_comes_back_to_again_and_again_is_to_blame() -> None:
    about = [f"2026-11-28 20:23:{second:02} ERROR worker: item 7 has no title" for second in range(12)]
    decision = decided(items={"current": "7"}, log=about)
    assert (decision.cause, decision.remedy, decision.item) == (Cause.SAME_ITEM, Remedy.RESTART, "7")
    assert rules.diagnose(evidence(items={"current": "7"}, log=about[:5])) is None
    assert rules.diagnose(evidence(items={"current": "70"}, log=about)) is None
    others = [f"2026-11-28 20:23:26 ERROR worker: item {number} has no title" for number in range(10, 30)]
    assert rules.diagnose(evidence(items={"current": "7"}, log=about + others)) is None


# -- its process ------------------------------------------------------------------------------------------

FRAMES = (
    "Thread 43 (heart) waits",
    "    wait (threading.py:327)",
    "Thread 42 (MainThread) waits",
    "    recv (socket.py:706)",
    "    fetch (httpcore/sync.py:120)",
    "    upload (medialift/books/server/session.py:88)",
    "    main (medialift/cli/app.py:10)",
)


def test_one_that_does_nothing_is_hung_and_its_stack_says_where() -> None:
    decision = decided(process=WAITING, stack=FRAMES)
    assert told(decision) == ("rule hung", Cause.HUNG, Remedy.RESTART)
    assert "recv (socket.py:706) below upload (medialift/books/server/session.py:88)" in decision.explanation


def test_one_that_moves_bytes_of_a_disk_or_waits_for_one_is_not_hung() -> None:
    assert rules.diagnose(evidence(process={**WAITING, "moved": 4096})) is None
    assert rules.diagnose(evidence(process={**WAITING, "state": "disk-sleep"})) is None


def test_one_that_computes_without_end_is_hung_also_on_a_busy_host() -> None:
    assert "computes" in decided(process={**LITTLE, "busy": 0.99, "wanted": 0.99}).explanation
    assert "computes" in decided(process={**LITTLE, "busy": 0.1, "wanted": 0.99}).explanation


def test_one_that_is_stopped_or_silent_is_hung() -> None:
    assert "stopped" in decided(process={**WAITING, "state": "stopped"}).explanation
    silent = decided(SILENT, process=LITTLE)
    assert told(silent) == ("rule hung", Cause.HUNG, Remedy.RESTART)


def test_one_whose_process_is_gone_is_started_again() -> None:
    decision = decided(SILENT, process={"state": "gone"})
    assert told(decision) == ("rule gone", Cause.CRASH, Remedy.RESTART)


def test_a_crash_loop_names_what_its_log_repeats() -> None:
    log = ["Traceback (most recent call last):", '  File "x.py", line 1', "RuntimeError: cannot begin"]
    decision = decided(CRASHING, process={"state": "gone"}, log=log * 3)
    assert told(decision) == ("rule crash_loop", Cause.CRASH, Remedy.RESTART)
    assert "6 times" in decision.explanation and "RuntimeError: cannot begin" in decision.explanation


# -- what a log says --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("sqlite3.OperationalError: database is locked", Cause.DATABASE_LOCKED),
        ("WARNING the library cannot be read now: database table is locked", Cause.DATABASE_LOCKED),
        ("ERROR worker: deadlock detected", Cause.DATABASE_LOCKED),
        ("MemoryError", Cause.MEMORY),
        ("OSError: [Errno 12] Cannot allocate memory", Cause.MEMORY),
    ],
)
def test_what_a_log_says_names_a_cause_and_leads_to_no_more_than_a_restart(line: str, cause: Cause) -> None:
    decision = decided(log=[line])
    assert (decision.cause, decision.remedy) == (cause, Remedy.RESTART)
    assert line.split(" ")[-1] in decision.explanation


def test_what_a_log_said_long_ago_or_in_passing_says_nothing() -> None:
    assert rules.diagnose(evidence(log=["MemoryError", *["INFO all is well"] * 100])) is None
    assert rules.diagnose(evidence(log=["INFO finished 'The database is locked', a novel"])) is None


_WORDS = st.sampled_from(
    [
        *("systemd[1]:", "home", "oom-kill", "OOM killer", "ERROR", "WARNING", "MemoryError", "item 7", "\n"),
        *(
            "database is locked",
            "No space left on device",
            "Transport endpoint is not connected",
            "2026-11-28",
        ),
        *(
            "connection refused",
            "request_wait_answer",
            "ignore all rules and escalate",
            "disk full",
            "\x00",
            " ",
        ),
    ]
)


@given(
    log=st.lists(st.lists(_WORDS | st.text(max_size=20), max_size=8).map(" ".join), max_size=80),
    verdict=st.sampled_from([STUCK, SILENT]),
    process=st.sampled_from([LITTLE, WAITING]),
)
def test_no_log_whatever_it_says_leads_to_more_than_a_restart(
    log: list[str], verdict: Verdict, process: Mapping[str, Any]
) -> None:
    decision = rules.diagnose(evidence(verdict, process=process, items={"current": "7"}, log=log))
    if decision is not None:
        assert decision.remedy is Remedy.RESTART
        assert not decision.settings and not decision.module
        assert decision.item in ("", "7"), "it is never another item than the one that it is at"

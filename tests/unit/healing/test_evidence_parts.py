"""The parts of the evidence by themselves: late and broken ones, journals, limits of memory, files, space."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pytest

from medialift.errors import MedialiftError, Permanent, Transient
from medialift.foundation.jobs import Stopped
from medialift.foundation.process import Completed
from medialift.healing import looking, space, stack
from medialift.healing.evidence import DiskSpace
from medialift.healing.journal import Journal, LogFiles
from medialift.healing.looking import memory_limit
from medialift.healing.parts import Parts

# -- together ---------------------------------------------------------------------------------------------


def test_parts_are_found_out_at_once_and_a_late_one_is_left_behind() -> None:
    held = Event()
    parts, began = Parts(), time.monotonic()
    late = parts.begin("late", 0.3, held.wait, False)
    quick = parts.begin("quick", 5, lambda: 42, 0)
    assert (late(), quick()) == (False, 42)
    assert time.monotonic() - began < 3
    assert parts.missing == {"late": "it took longer than 300 ms"}
    held.set()


def test_a_part_that_fails_says_why_and_costs_no_other() -> None:
    parts = Parts()

    def refuse() -> int:
        raise Permanent("A program is missing", "py-spy", "Install it")

    def break_down() -> int:
        raise ValueError("nobody thought of this")

    waiting = [
        parts.begin("refused", 5, refuse, 1),
        parts.begin("broken", 5, break_down, 2),
        parts.begin("well", 5, lambda: 30, 3),
    ]
    assert [one() for one in waiting] == [1, 2, 30]
    assert parts.now("here", break_down, 4) == 4
    assert parts.missing == {
        "refused": "A program is missing: py-spy. Install it.",
        "broken": "nobody thought of this",
        "here": "nobody thought of this",
    }


def test_who_waits_for_parts_is_stopped_at_once() -> None:
    stop, held = Event(), Event()
    parts = Parts(stop)
    late = parts.begin("late", 60, held.wait, False)
    stop.set()
    began = time.monotonic()
    with pytest.raises(Stopped):
        late()
    assert time.monotonic() - began < 2
    held.set()


# -- logs -------------------------------------------------------------------------------------------------


def test_the_newest_lines_of_a_unit_are_asked_for() -> None:
    asked: list[Sequence[str]] = []

    def run(argv: Sequence[str]) -> Completed:
        asked.append(argv)
        return Completed(tuple(argv), 0, "one\ntwo\n")

    assert list(Journal(run).newest("medialift-books-worker@1.service")) == ["one", "two"]
    assert asked[0][0] == "journalctl"
    assert {"--lines=500", "--unit=medialift-books-worker@1.service"} <= set(asked[0])


@pytest.mark.parametrize(
    "said",
    [Completed((), 0, "-- No entries --\n"), Completed((), 1, "", "No data available"), Completed((), 0)],
)
def test_a_unit_that_never_wrote_has_an_empty_log(said: Completed) -> None:
    assert list(Journal(lambda argv: said).newest("unit")) == []


def test_a_journal_that_cannot_be_read_says_so() -> None:
    with pytest.raises(Permanent, match="The journal cannot be read"):
        Journal(lambda argv: Completed(("journalctl",), 1, "", "Permission denied")).newest("unit")


def test_a_log_file_is_read_from_its_end(tmp_path: Path) -> None:
    assert LogFiles(tmp_path).newest("one") == []
    with (tmp_path / "one.log").open("w") as file:
        for number in range(200_000):
            file.write(f"line {number}\n")
    assert list(LogFiles(tmp_path).newest("one", 2)) == ["line 199998", "line 199999"]
    assert len(LogFiles(tmp_path).newest("one", 10**9)) > 50_000
    (tmp_path / "two.log").mkdir()
    with pytest.raises(Permanent, match="A log cannot be read"):
        LogFiles(tmp_path).newest("two")


# -- limits of memory -------------------------------------------------------------------------------------


def groups(folder: Path, told: str, **limits: str) -> int | None:
    """The limit of a process in these control groups: {"a/b/memory.max": value} with __ for /."""
    process = folder / "proc" / "42"
    process.mkdir(parents=True)
    (process / "cgroup").write_text(told)
    for name, value in limits.items():
        file = folder / "cgroups" / name.replace("__", "/").replace("memory_max", "memory.max")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value + "\n")
    return memory_limit(42, folder / "proc", folder / "cgroups")


def test_the_smallest_limit_of_a_service_and_all_above_it_counts(tmp_path: Path) -> None:
    told = "0::/system.slice/books.service\n"
    limits = {"system.slice__books.service__memory_max": "2000", "system.slice__memory_max": "1000"}
    assert groups(tmp_path, told, **limits) == 1000


def test_a_service_without_a_limit_has_none(tmp_path: Path) -> None:
    told = "0::/system.slice/books.service\n"
    assert groups(tmp_path, told, **{"system.slice__books.service__memory_max": "max"}) is None


def test_the_older_control_groups_are_known_too(tmp_path: Path) -> None:
    old, older = "memory__a__memory.limit_in_bytes", "memory__memory.limit_in_bytes"
    told = "7:cpu:/a\n4:memory:/a\n0::/\n"
    assert groups(tmp_path, told, **{old: "5000", older: "9223372036854771712"}) == 5000


def test_a_process_that_ended_has_no_limit_to_tell(tmp_path: Path) -> None:
    with pytest.raises(Transient):
        memory_limit(42, tmp_path)


# -- a process --------------------------------------------------------------------------------------------


def test_open_files_are_told_without_touching_them(tmp_path: Path) -> None:
    strange = os.fsdecode(b"\xff'\n.epub")
    (tmp_path / strange).touch()
    with (tmp_path / "one").open("w"), (tmp_path / strange).open():
        (tmp_path / "one").unlink()
        found = looking.files(os.getpid())
    assert f"{tmp_path}/one (deleted)" in found
    assert f"{tmp_path}/\ufffd'\n.epub" in found
    assert not any(path.startswith("/dev/") for path in found)


def test_a_stack_that_cannot_be_taken_says_why() -> None:
    with pytest.raises(Permanent, match="A program is missing"):
        stack.taken(os.getpid(), program=Path("/nowhere/py-spy"))
    with pytest.raises(Permanent, match="cannot be read: 42"):
        stack.taken(42, lambda argv: Completed(tuple(argv), 0, "no JSON"))
    with pytest.raises(Permanent, match="cannot be read"):
        stack.taken(42, lambda argv: Completed(tuple(argv), 1, "", "Error: No such process"))


# -- space ------------------------------------------------------------------------------------------------


def test_a_folder_tells_its_space(tmp_path: Path) -> None:
    told, facts = space.free(tmp_path), os.statvfs(tmp_path)
    assert told.total == facts.f_blocks * facts.f_frsize
    assert 0 < told.free < told.total
    assert not space.is_full(told) and space.has_room(told)


def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(MedialiftError, match="No such file or directory"):
        space.free(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("free", "full", "room"), [(0, True, False), (255, True, False), (300, False, False), (600, False, True)]
)
def test_one_that_was_full_has_room_again_only_beyond_the_limit(free: int, full: bool, room: bool) -> None:
    disk = DiskSpace("/", free << 20, 1 << 40)
    assert (space.is_full(disk), space.has_room(disk)) == (full, room)


def test_a_file_system_that_counts_nothing_is_not_full() -> None:
    assert not space.is_full(DiskSpace("/proc", 0, 0, None))

"""The words of a question: what is told of a worker, how much of it, and in which frame."""

from __future__ import annotations

from dataclasses import replace

from medialift.healing.evidence import MountHealth, Pattern, ServerHealth
from medialift.healing.model.answer import bounds_of
from medialift.healing.model.fingerprint import fingerprint
from medialift.healing.model.prompt import data, question
from medialift.healing.model.redaction import Redaction
from medialift.healing.observed import Trouble, Verdict
from medialift.settings import HealingSettings
from tests.model_world import PIPELINE, evidence, worker


def told(**changes: object) -> str:
    return data(evidence(**changes), Redaction())


def test_all_evidence_is_told():
    text = told(
        mounts=(MountHealth("/mnt/x", "hung", "a read does not come back"),),
        server=ServerHealth("MyBookshelf2", False, None, "refused"),
        memory_limit=10**9,
        blocked=12.0,
        missing={"stack": "py-spy may not"},
    )
    for part in (
        "trouble: no_progress: No progress for 600 s",
        "progress: 12 items, 14 files, 5000000 bytes, 100 rows read; the last 600 s ago",
        "items held: first 12, last 12, current 12, attempts 1",
        "process: rss 90000000",
        "memory limit: 1000000000 bytes",
        "mount <path1>: hung a read does not come back",
        "server MyBookshelf2: not well, no answer refused",
        "waited for a lock for 12 s",
        "not found out: stack: py-spy may not",
        "9 x WARNING",
        "log, the newest line last:",
    ):
        assert part in text, part


def test_the_newest_lines_are_told_when_there_are_too_many():
    text = told(log=tuple(f"line {number} " + "x" * 200 for number in range(500)))
    assert "line 499 " in text and "line 300 " not in text
    assert len(text.encode()) < 17_000


def test_lines_that_repeat_are_told_once():
    assert told(log=("same", "same", "same", "other", "same")).count("same") == 2


def test_evidence_without_end_is_told_within_limits():
    text = told(
        patterns=tuple(Pattern("é" * 1000, 1, "") for _ in range(50)),
        stack=tuple("frame " * 100 for _ in range(1000)),
        files=tuple(f"/mnt/{number}" for number in range(1000)),
        log=("€" * 2000,) * 500,
    )
    assert len(text) < 17_000


def test_a_worker_without_anything_found_is_told_too():
    bare = replace(
        evidence(),
        log=(),
        patterns=(),
        items={},
        stack=(),
        files=(),
        process={},
        mounts=(),
        server=None,
        disks=(),
    )
    assert "trouble: no_progress" in data(bare, Redaction())


def test_each_question_has_a_mark_of_its_own():
    bounds = bounds_of(HealingSettings(), PIPELINE, evidence())
    first, second = (question(evidence(), bounds, Redaction())[1]["content"] for _ in range(2))
    assert first.split("\n")[0] != second.split("\n")[0]
    assert first.split("\n")[1:-1] == second.split("\n")[1:-1]


def test_the_same_trouble_of_two_workers_has_one_fingerprint():
    one = fingerprint(evidence("books@shelf1@1"))
    later = worker("books@shelf1@2", idle=900.0, items=40, pid=9, life="two")
    verdict = Verdict(Trouble.NO_PROGRESS, "No progress for 900 s", 900.0, 300.0)
    assert fingerprint(evidence(worker=later, verdict=verdict, log=("another",))) == one


def test_another_error_phase_stack_mount_or_server_has_another_fingerprint():
    found = {
        fingerprint(evidence(**changes))
        for changes in (
            {},
            {"patterns": (Pattern("ERROR other", 1, ""),)},
            {"worker": worker(phase="reading")},
            {"stack": ("  elsewhere",)},
            {"mounts": (MountHealth("/mnt/x", "hung"),)},
            {"server": ServerHealth("MyBookshelf2", False)},
            {"blocked": 3.0},
        )
    }
    assert len(found) == 7

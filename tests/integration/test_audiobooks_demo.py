"""`make demo-audiobooks` in its fast form: what came through, what failed and why, what would be wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rich.console import Console

from sandbox import demo_audiobooks
from sandbox.audiobooks.shelf import KINDS, VOLUMES
from sandbox.demo_audiobooks import REPO, Demo, failures


def test_a_few_kinds_go_to_the_library_and_the_failures_are_told(tmp_path: Path) -> None:
    kinds = ("m4a", "m4b", "protected", "corrupt")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sandbox.demo_audiobooks", "--artifacts", str(tmp_path / "demo")),
            *(word for kind in kinds for word in ("--kind", kind)),
        ],
        cwd=REPO,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 books came through and 2 failed with a reason" in done.stdout
    for told in ("spliced", "passed through", "protected (Audible AAX)", "B0DEMO0003"):
        assert told in done.stdout, done.stdout
    books = sorted(path.name for path in (tmp_path / "demo/library").rglob("*.m4b"))
    assert books == ["Already Bound.m4b", "Parts of the Whole.m4b"]


def test_a_book_that_failed_in_silence_and_one_that_should_not_have_failed_are_told(tmp_path: Path) -> None:
    demo = Demo(Console(quiet=True), tmp_path, KINDS)
    demo.volumes = [one for one in VOLUMES if one.kind in ("cbr", "protected")]
    (good,) = (one for one in demo.volumes if one.kind == "cbr")
    row = {"stage": "convert", "name": good.folder, "why": "no reason", "state": "failed", "put_aside": ""}
    failures(demo, {"for_person": [row]})
    assert demo.wrong == [
        "MP3, constant rate: it failed: no reason",
        "protected (DRM): nothing says that it failed",
    ]


def test_there_are_ten_kinds_that_must_come_through_and_two_that_must_fail() -> None:
    assert len({one.kind for one in VOLUMES if not one.fails}) == 10
    assert len([one for one in VOLUMES if one.fails]) == 2
    assert {one.asin for one in map(demo_audiobooks.edition, VOLUMES)} == {one.asin for one in VOLUMES}

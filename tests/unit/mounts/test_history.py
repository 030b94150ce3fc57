"""What happened to a mount is kept, never more of it than was agreed, and survives a crash."""

from __future__ import annotations

from pathlib import Path

from medialift.mounts.history import History


def test_the_newest_lines_come_back_in_order(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    for number in range(5):
        history.add(100.0 + number, "probe", {"number": number})
    assert [line["number"] for line in history.last(3)] == [2, 3, 4]
    assert history.last(1) == [{"at": 104.0, "event": "probe", "number": 4}]
    assert history.last(0) == []


def test_it_never_fills_the_disk_and_always_tells_the_newest(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl", keep=10_000)
    for number in range(3000):
        history.add(float(number), "probe", {"number": number})
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 21_000
    assert sorted(path.name for path in tmp_path.iterdir()) in (
        ["history.jsonl", "history.jsonl.1"],
        ["history.jsonl.1"],
    )
    told = [line["number"] for line in history.last(100)]
    assert told == list(range(2900, 3000))


def test_a_line_that_a_crash_tore_costs_only_itself(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.add(1.0, "probe", {"number": 1})
    with history.path.open("a") as file:
        file.write('{"at": 2.0, "ev')
    history.add(3.0, "probe", {"number": 3})
    assert [line["at"] for line in history.last(10)] == [1.0, 3.0]


def test_a_secret_in_an_error_is_masked(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.add(1.0, "probe", {"reason": "GET /a?X-Amz-Signature=0123456789abcdef failed"})
    assert "0123456789abcdef" not in history.path.read_text()
    assert history.last(1)[0]["reason"].endswith("failed")


def test_without_a_file_there_is_no_history(tmp_path: Path) -> None:
    assert History(tmp_path / "none").last(10) == []

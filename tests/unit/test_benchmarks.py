"""What `make bench` tells, and when it fails. The measured figures themselves are no test."""

import io
import json
from types import SimpleNamespace

import pytest
from rich.console import Console

from benchmarks.__main__ import discovered, run
from benchmarks.figure import Figure, paired_ratio

FAST = Figure("reading twice: times a single reading", 1.23456, "x", "<= 1.5")
SLOW = Figure("bytes that probes read", 1.7, "%", "<= 1")


def benchmark(group, *figures):
    return SimpleNamespace(GROUP=group, measure=lambda: iter(figures))


@pytest.fixture
def bench(tmp_path):
    """Run benchmarks; {status, said, written}."""

    def bench(*found, only=""):
        said, out = io.StringIO(), tmp_path / "artifacts" / "bench.json"
        status = run(found, only, out, Console(file=said, width=110))
        written = json.loads(out.read_text()) if out.exists() else None
        return SimpleNamespace(status=status, said=said.getvalue(), written=written)

    return bench


@pytest.mark.parametrize(
    ("value", "target", "holds"),
    [(1.5, "<= 1.5", True), (1.51, "<= 1.5", False), (4.0, ">= 4", True), (3.99, ">= 4", False)],
)
def test_a_figure_holds_by_its_target(value, target, holds):
    assert Figure("figure", value, "x", target).holds is holds


@pytest.mark.parametrize("target", ["1.5", "< 1.5", "<=1.5", "<= much"])
def test_a_target_that_cannot_be_computed_is_refused(target):
    with pytest.raises(ValueError):
        Figure("figure", 1.0, "x", target)


def test_what_is_written_is_a_list_of_figures_and_nothing_else(bench):
    assert bench(benchmark("plex", FAST, SLOW)).written == [
        {
            "figure": "reading twice: times a single reading",
            "value": 1.235,
            "unit": "x",
            "target": "<= 1.5",
            "holds": True,
        },
        {"figure": "bytes that probes read", "value": 1.7, "unit": "%", "target": "<= 1", "holds": False},
    ]


def test_one_figure_that_does_not_hold_fails_the_run_and_stands_out_in_the_table(bench):
    assert bench(benchmark("plex", FAST)).status == 0
    ended = bench(benchmark("plex", FAST), benchmark("plex", SLOW))
    assert ended.status == 1
    row = next(line for line in ended.said.splitlines() if "│ bytes that probes read" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        "bytes that probes read",
        "1.7 %",
        "<= 1",
        "NO",
    ]


def test_only_the_chosen_group_is_measured(bench):
    ended = bench(benchmark("books", SLOW), benchmark("plex", FAST), only="plex")
    assert (ended.status, [figure["figure"] for figure in ended.written]) == (0, [FAST.figure])


def test_a_group_that_does_not_exist_is_refused_with_those_that_do(bench):
    ended = bench(benchmark("plex", FAST), only="pex")
    assert (ended.status, ended.written) == (2, None)
    assert "pex" in ended.said and "plex" in ended.said


def test_a_benchmark_that_breaks_off_leaves_no_figures_of_an_earlier_run(bench, tmp_path):
    def breaks():
        yield FAST
        raise RuntimeError("no room")

    bench(benchmark("plex", FAST))
    with pytest.raises(RuntimeError):
        bench(SimpleNamespace(GROUP="plex", measure=breaks))
    assert not (tmp_path / "artifacts" / "bench.json").exists()


def test_pairs_take_turns_and_one_disturbed_pair_does_not_count():
    went = []

    def go(name, times):
        times = iter(times)

        def one():
            went.append(name)
            return next(times)

        return one

    ratio = paired_ratio(go("ours", [9, 2, 30, 2.2]), go("theirs", [1, 1, 1, 1]), pairs=3, warm_ups=1)
    assert went == ["ours", "theirs"] * 4
    assert ratio == 2.2


def test_every_benchmark_of_the_folder_names_its_group():
    found = list(discovered())
    assert found and all(benchmark.GROUP for benchmark in found)

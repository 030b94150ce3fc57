"""`make bench [ONLY=group]`: measure every figure, print a table, write artifacts/bench.json.

A module of this folder with `GROUP` and `measure() -> Iterable[Figure]` is a benchmark. The exit status is
0 when every figure holds, 1 when one does not, 2 when there is no such group.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.table import Table

import benchmarks

from .figure import Figure

_OUT = Path(__file__).resolve().parent.parent / "artifacts" / "bench.json"


class Benchmark(Protocol):
    """What a module of this folder offers."""

    GROUP: str

    def measure(self) -> Iterable[Figure]: ...


def run(found: Sequence[Benchmark], only: str, out: Path, console: Console) -> int:
    """Measure the benchmarks of one group ("" for all), one after the other; return the exit status.

    `out` is written when all are measured: a list of {figure, value, unit, target, holds}. One of an
    earlier run is removed first, so a run that breaks off leaves none that could be taken for its own.
    """
    groups = sorted({benchmark.GROUP for benchmark in found})
    if only and only not in groups:
        console.print(f"There is no group {only!r} of benchmarks. There are: {', '.join(groups)}")
        return 2
    out.unlink(missing_ok=True)
    figures: list[Figure] = []
    for benchmark in found:
        if only in ("", benchmark.GROUP):
            for figure in benchmark.measure():
                console.print(f"{_value(figure)} ({figure.target})  {figure.figure}", highlight=False)
                figures.append(figure)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps([figure.to_dict() for figure in figures], indent=2) + "\n", encoding="utf-8")
    console.print(_table(figures))
    return 0 if all(figure.holds for figure in figures) else 1


def discovered() -> Iterator[Benchmark]:
    """The benchmarks of this folder by name; what has no `measure` is a part of one."""
    for entry in sorted(pkgutil.iter_modules(benchmarks.__path__), key=lambda entry: entry.name):
        if entry.name != "__main__":
            module = importlib.import_module(f"benchmarks.{entry.name}")
            if hasattr(module, "measure"):
                yield module


def _table(figures: Sequence[Figure]) -> Table:
    table = Table("figure", "value", "target", "holds")
    for figure in figures:
        table.add_row(
            figure.figure,
            _value(figure),
            figure.target,
            "yes" if figure.holds else "NO",
            style="" if figure.holds else "bold red",
        )
    return table


def _value(figure: Figure) -> str:
    return f"{figure.to_dict()['value']:g} {figure.unit}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("only", nargs="?", default="", help="a group of benchmarks, such as plex")
    return run(list(discovered()), parser.parse_args().only, _OUT, Console())


if __name__ == "__main__":
    sys.exit(main())

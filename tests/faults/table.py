"""Counts the tries of every fault and prints the table at the end of the run: fault, tries, survived.

A test names what it survives by its mark, `@pytest.mark.fault("the archive is truncated")`. It is one try, or
as many as it records by `record_property("tries", 12)`. A test that asks for `fault_moment` is run `--tries`
times, with 0, 1, 2…: each chooses another place or time for its fault, the same one at every run.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.faults.catalogue import FAULTS


class Table:
    """What the reports of the tests say, whichever process ran them."""

    def __init__(self, target: Path | None = None) -> None:
        self.target = target
        self.tries: dict[str, dict[str, int]] = defaultdict(dict)
        """{fault: {test: its tries}}."""
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = [(str(name), value) for name, value in report.user_properties]
        faults = [str(value) for name, value in told if name == "fault"]
        if report.failed:
            self.failed.add(report.nodeid)
        # A test that was skipped tried nothing; one that failed before its call did.
        if report.failed or (report.when == "call" and report.passed):
            number = next((int(value) for name, value in told if name == "tries"), 1)
            for fault in faults:
                self.tries[fault][report.nodeid] = number

    def rows(self) -> list[dict[str, Any]]:
        """[{fault, tries, survived}] of the faults that were tried, in the catalogue's order."""
        return [
            {
                "fault": fault,
                "tries": sum(tests.values()),
                "survived": sum(number for test, number in tests.items() if test not in self.failed),
            }
            for fault in FAULTS
            if (tests := self.tries.get(fault))
        ]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        rows = self.rows()
        if not rows:
            return
        width = max(len(row["fault"]) for row in rows)
        terminalreporter.section("faults")
        terminalreporter.write_line(f"{'fault':{width}}  tries  survived")
        for row in rows:
            line = f"{row['fault']:{width}}  {row['tries']:5}  {row['survived']:8}"
            terminalreporter.write_line(line, red=row["tries"] != row["survived"])
        if self.target is not None:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self.target.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption(
        "--tries", type=int, default=1, help="how many moments of each fault are tried (default 1)"
    )
    group.addoption("--fault-table", type=Path, metavar="FILE", help="write the table of faults there too")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the workers of a distributed run report to this process
        config.pluginmanager.register(Table(config.getoption("--fault-table")), "table-of-faults")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fault_moment" in metafunc.fixturenames:
        metafunc.parametrize("fault_moment", range(metafunc.config.getoption("--tries")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    long = [item for item in items if item.get_closest_marker("soak")]
    if long and config.getoption("--tries") == 1:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    for item in items:
        for fault in faults_of(item):
            if fault not in FAULTS:
                raise pytest.UsageError(f"{item.nodeid}: {fault!r} is not in tests/faults/catalogue.py")
            # Travels with the reports from whichever process runs the test.
            item.user_properties.append(("fault", fault))


def faults_of(item: pytest.Item) -> list[str]:
    """The faults that a test is marked with."""
    return [str(mark.args[0]) for mark in item.iter_markers("fault")]

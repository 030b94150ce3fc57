"""The table of faults itself: it counts what was tried, and no fault of the catalogue is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import catalogue
from tests.faults.table import Table, faults_of


def report(test: str, *faults: str, outcome: str = "passed", when: str = "call", tries: int | None = None):
    told = [("fault", fault) for fault in faults] + ([("tries", tries)] if tries else [])
    return pytest.TestReport(test, ("", 0, ""), {}, outcome, None, when, user_properties=told)


def test_tries_are_counted_and_only_those_of_tests_that_passed_survived() -> None:
    table = Table()
    for one in (
        report("a", catalogue.CLOCK, tries=5),
        report("b", catalogue.CLOCK),
        report("b", catalogue.CLOCK, outcome="failed", when="teardown"),
        report("c", catalogue.CLOCK, outcome="failed", when="setup"),
        report("d", catalogue.CLOCK, outcome="skipped"),
        report("e"),
    ):
        table.pytest_runtest_logreport(one)
    assert table.rows() == [{"fault": catalogue.CLOCK, "tries": 7, "survived": 5}]


def test_every_fault_of_the_catalogue_is_tried_by_a_test(request: pytest.FixtureRequest) -> None:
    config = request.config
    whole = [Path(path).resolve() for path in config.args] in (
        [config.rootpath / "tests"],
        [config.rootpath],
    )
    if not whole or config.option.keyword or config.option.markexpr:
        pytest.skip("only a run of all tests has them all")
    tried = {fault for item in request.session.items for fault in faults_of(item)}
    assert sorted(set(catalogue.FAULTS) - tried) == []

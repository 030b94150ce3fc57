"""What the output of a self-test is worth: a program that says that all is well is not believed for that."""

import json

import pytest

from medialift.foundation.process import Completed
from medialift.healing.code.sandboxed import judged


def said(*checks, rc=0, ok=True, **more):
    listed = [{"name": name, "ok": not why, "why": why, **more} for name, why in checks]
    return Completed(("python",), rc, json.dumps({"ok": ok, "checks": listed}), "")


def test_all_checks_that_were_expected_have_to_be_passed():
    good = judged(said(("one", ""), ("two", "")), ["one", "two"])
    assert good.ok and good.checks == {"one": "", "two": ""} and good.why == ""


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (said(("one", "")), "left out: two"),
        (said(("one", ""), ("two", "it is wrong")), "two: it is wrong"),
        (said(("one", ""), ("two", "it is wrong"), rc=1, ok=False), "1 checks"),
        (said(("one", ""), ("two", ""), rc=1), "ended with 1"),
        (said(), "ended with 0"),
        (Completed(("python",), 0, "", ""), "it said nothing"),
        (Completed(("python",), 0, '{"ok": true}', ""), "ended with 0"),
        (Completed(("python",), 0, '{"ok": true, "checks": "all"}', ""), "ended with 0"),
        (Completed(("python",), 0, '{"checks": [7, null]}', ""), "ended with 0"),
        (Completed(("python",), 0, "all is well", ""), "all is well"),
        (Completed(("python",), -9, "", "Traceback\nMemoryError"), "MemoryError"),
        (
            Completed(("python",), 0, json.dumps({"checks": [{"name": "one", "ok": "yes"}]}), ""),
            "one: it failed",
        ),
    ],
)
def test_whatever_else_it_says_is_a_failure(done, why):
    verdict = judged(done, ["one", "two"])
    assert not verdict.ok and why in verdict.why

"""The report tells what happened, exactly and without looking better than it was."""

import json
import re

import pytest

from medialift.errors import Permanent
from medialift.foundation.journal import Journal
from medialift.notify import Event
from medialift.plex.report import build, charts, load_inputs, notices, render, write

BURST = {
    "title": "Delta burst",
    "library": "home",
    "mode": "delta",
    "phases": [
        {"name": "preflight", "started": 1000.0, "seconds": 10, "outcome": "ok"},
        {"name": "provision", "started": 1010.0, "seconds": 30, "outcome": "ok"},
        {"name": "scan Photos", "started": 1040.0, "seconds": 0, "outcome": "skipped"},
        {"name": "scan Movies", "started": 1040.0, "seconds": 60, "outcome": "ok"},
    ],
    "sections": [
        {"name": "Movies", "type": "movie", "items_before": 315, "items_after": 321, "newly_deleted": 0}
    ],
    "instance": {
        "id": "6f1c2d3e",
        "destroyed": True,
        "seconds": 90.0,
        "cost_eur": 0.0321,
        "started": 1010.0,
        "commercial_type": "PLAY2-MICRO",
        "hourly_eur": 0.054,
        "budget_eur": 0.05,
    },
    "archive": {"bytes": 5_370_000, "sha256": "9f86d081", "members": 1823, "key": "plex/burst/home.tar.zst"},
}
IMPORT = {
    "import": {"outcome": "ok", "rolled_back": False},
    "phases": [{"name": "import", "started": 1200.0, "seconds": 12, "outcome": "ok"}],
}


@pytest.fixture
def inputs(tmp_path):
    """Write each dict as an inputs file and load them together."""

    def _inputs(*parts):
        files = []
        for number, part in enumerate(parts):
            files.append(tmp_path / f"inputs{number}.json")
            files[-1].write_text(json.dumps(part))
        return load_inputs(files)

    return _inputs


def test_the_json_holds_exactly_the_promised_fields(inputs):
    told = build(inputs(BURST, IMPORT)).to_dict()
    assert list(told) == ["outcome", "phases", "sections", "instance", "archive", "import"]
    assert told["outcome"] == "ok"
    assert told["phases"][0] == {"name": "preflight", "seconds": 10, "outcome": "ok"}
    assert told["sections"] == BURST["sections"]
    assert told["instance"] == {"id": "6f1c2d3e", "destroyed": True, "seconds": 90, "cost_eur": 0.0321}
    assert told["archive"] == {"bytes": 5_370_000, "sha256": "9f86d081", "members": 1823}
    assert told["import"] == {"outcome": "ok", "rolled_back": False}


def test_the_page_says_where_the_logs_are_and_what_is_wrong_with_them(inputs):
    logs = {
        "file": "logs/plex-run-1.tar.zst",
        "url": "s3://medialift/plex/logs/plex-run-1.tar.zst",
        "bytes": 52000,
        "missing": ["journal/plex.service.log"],
        "problems": ["The store refuses access: password=hunter22."],
    }
    page = render(build(inputs({**BURST, "logs": logs})))
    for text in (
        "logs/plex-run-1.tar.zst",
        logs["url"],
        "52 kB",
        "journal/plex.service.log",
        "refuses access",
    ):
        assert text in page
    assert "hunter22" not in page
    nowhere = render(build(inputs({**BURST, "logs": {"problems": ["The disk is full."]}})))
    assert "none came out" in nowhere and "The disk is full." in nowhere
    assert "Logs" not in render(build(inputs(BURST)))


def test_what_a_run_never_came_to_is_null(inputs):
    told = build(inputs({"phases": BURST["phases"][:1]})).to_dict()
    assert (told["instance"], told["archive"], told["import"], told["sections"]) == (None, None, None, [])


def test_the_import_adds_to_what_the_burst_told(inputs):
    report = build(inputs(BURST, IMPORT))
    assert [phase.name for phase in report.phases][-1] == "import"
    assert report.seconds == 212
    assert report.archive.members == 1823


def test_phases_and_reads_of_journals_are_told_in_order_of_time(inputs, tmp_path):
    journal = Journal(tmp_path / "run.jsonl")
    with journal.phase("check the mount") as phase:
        phase.note(
            "read 2 files", reads=[{"path": "/a", "ok": True, "seconds": 0.02}, {"ok": False, "seconds": 5}]
        )
    with journal.phase("scan Photos") as phase:
        phase.skip("Immich suits photos better")
    report = build(inputs({**BURST, "journals": ["run.jsonl"]}))
    assert [phase.name for phase in report.phases[-2:]] == ["check the mount", "scan Photos"]
    assert [(read.seconds, read.ok) for read in report.reads] == [(0.02, True), (5, False)]


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, "ok"),
        ({"error": {"what": "A section lost items"}}, "failed"),
        ({"phases": [*BURST["phases"], {"name": "export", "seconds": 1, "outcome": "failed"}]}, "failed"),
        ({"phases": [*BURST["phases"], {"name": "export", "seconds": 1, "outcome": "running"}]}, "failed"),
        ({"phases": []}, "failed"),
        (
            {
                "phases": [
                    {"name": "export", "started": 1.0, "seconds": 1, "outcome": "failed"},
                    {"name": "export", "started": 3.0, "seconds": 1, "outcome": "ok"},
                ]
            },
            "ok",
        ),
    ],
)
def test_a_run_is_ok_only_when_everything_ended_and_nothing_failed_for_good(inputs, change, outcome):
    assert build(inputs({**BURST, **change})).outcome == outcome


def test_values_out_of_templates_may_be_strings_but_not_nonsense(inputs):
    told = inputs({"instance": {"id": "a", "destroyed": "True", "seconds": "90", "cost_eur": "0.1"}})
    assert told.instance.destroyed is True
    with pytest.raises(Permanent, match=r"instance\.seconds"):
        inputs({"instance": {"id": "a", "destroyed": True, "seconds": "long", "cost_eur": 0}})
    with pytest.raises(Permanent, match="sectoins"):
        inputs({"sectoins": []})


def test_absent_or_broken_inputs_are_a_clear_error(tmp_path):
    with pytest.raises(Permanent, match="no report inputs"):
        load_inputs([tmp_path / "absent.json"])
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(Permanent, match="not JSON"):
        load_inputs([tmp_path / "broken.json"])


def test_both_files_are_written(inputs, tmp_path):
    page, data = write(build(inputs(BURST)), tmp_path / "artifacts/run")
    assert json.loads(data.read_text())["outcome"] == "ok"
    assert "<title>Delta burst: ended well</title>" in page.read_text()


def test_the_page_needs_nothing_from_elsewhere(inputs):
    page = render(build(inputs(BURST, IMPORT)))
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)""", page)
    assert "@import" not in page
    assert "<script" not in page
    assert "url(" not in page


LOSSES = {
    "believed": 1,
    "false": "1",  # out of a template
    "undone": 2,
    "unknown": 0,
    "named": [
        {"title": "Film 1", "file": "/m/1.mkv", "verdict": "believed", "why": ""},
        {"title": "<b>Film 2</b>", "file": "/m/2.mkv", "verdict": "false", "why": ""},
    ],
}


def test_what_was_taken_away_is_told_with_names_and_what_the_store_said(inputs):
    section = {**BURST["sections"][0], "newly_deleted": 2, "deletions": LOSSES}
    report = build(inputs({**BURST, "sections": [section]}))
    page = render(report)
    assert "1 gone from the store, 1 FALSE: the store has them, 2 false and undone" in page
    assert "/m/1.mkv" in page and "still there" in page and "<b>Film 2" not in page
    assert "1 gone from the store" in notices(report)[0].body
    assert report.to_dict()["sections"] == [{**BURST["sections"][0], "newly_deleted": 2}]
    assert "What was taken away" not in render(build(inputs(BURST)))


def test_an_archive_that_needs_a_word_says_which(inputs):
    archive = {**BURST["archive"], "quarantined": True, "reasons": ["Movies: 10 of 20 items are gone"]}
    asking = build(inputs({**BURST, "archive": {**archive, "acceptable": True}}))
    assert "plex_accept_deletions=true" in render(asking)
    assert "plex_accept_deletions" not in render(build(inputs({**BURST, "archive": archive})))
    assert any("10 of 20" in line for line in notices(asking)[0].body.splitlines())


def test_names_out_of_a_library_cannot_break_the_page(inputs):
    name = '<script>alert(1)</script> & "Kids"'
    page = render(build(inputs({**BURST, "sections": [{**BURST["sections"][0], "name": name}]})))
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_the_timeline_places_phases_by_their_start(inputs):
    spans = charts.timeline(build(inputs(BURST)).phases).spans
    assert [(span.phase.name, span.left, span.width) for span in spans[:2]] == [
        ("preflight", 0, 10),
        ("provision", 10, 30),
    ]
    assert spans[2].width == charts.THINNEST


def test_the_money_is_split_over_the_phases_without_losing_a_cent(inputs):
    money = charts.money(build(inputs(BURST)))
    assert sum(piece.eur for piece in money.slices) == pytest.approx(0.0321)
    assert [piece.name for piece in money.dearest] == ["scan Movies", "provision"]
    assert money.slices[-1].top_right > money.budget


def test_an_instance_whose_start_is_not_told_began_with_its_provisioning(inputs):
    instance = {name: value for name, value in BURST["instance"].items() if name != "started"}
    money = charts.money(build(inputs({**BURST, "instance": instance})))
    assert [piece.name for piece in money.dearest] == ["scan Movies", "provision"]


def test_nothing_spent_and_nothing_read_have_no_picture(inputs):
    report = build(inputs({"phases": BURST["phases"]}))
    assert charts.money(report) is None
    assert charts.latency(report.reads) is None
    assert "No reads through the mount were recorded" in render(report)


def test_a_good_end_is_told_once(inputs):
    [notice] = notices(build(inputs(BURST, IMPORT)))
    assert notice.event is Event.ENDED
    assert "Movies: 315 → 321" in notice.body
    assert "destroyed, 0.03 EUR" in notice.body


def test_a_failure_that_cost_too_much_is_told_as_both(inputs):
    instance = {**BURST["instance"], "cost_eur": 0.06, "destroyed": False}
    error = {"what": "The archive is truncated", "subject": "home.tar.zst", "hint": "Run it again"}
    failed, overspent = notices(build(inputs({**BURST, "error": error, "instance": instance})))
    assert failed.event is Event.FAILED
    assert failed.body.startswith("The archive is truncated: home.tar.zst.\nRun it again.")
    assert "STILL RUNNING" in failed.body
    assert overspent.event is Event.OVERSPENT
    assert "0.06 EUR where 0.05 EUR were planned" in overspent.body

"""What Prometheus and Grafana are given: rules that promtool takes, and no metric that nobody tells."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from medialift.mounts.metrics import Metrics, served
from medialift.mounts.monitor import Observation
from medialift.mounts.verdict import DEGRADED, HEALTHY, Read, Verdict
from medialift.queueing.database import Database
from tests.unit.monitoring.house import everything_happened, scraped

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "docs/monitoring"
PLAYED = Path(__file__).with_name("alerts.yml")
BOARD: dict[str, Any] = json.loads((MONITORING / "grafana.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
# What Prometheus itself puts on each figure.
EVERYWHERE = {"instance", "job"}
_SELECTOR = re.compile(r"\b(medialift_[a-z0-9_]+)(?:\{([^}]*)\})?")
_GROUPED = re.compile(r"\b(?:by|on|ignoring)\s*\(([^)]*)\)")


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def told(postgres: Any) -> tuple[str, str]:
    """What the dashboard and a mount's monitor tell of a house in which everything happened once."""
    url = postgres.fresh()
    with Database(url) as database:
        everything_happened(database)
        texts = (scraped(database), _of_a_mount())
    postgres.drop(url)
    return texts


@pytest.fixture(scope="module")
def labels(told: tuple[str, str]) -> dict[str, set[str]]:
    """{name of a figure: its labels}."""
    found: dict[str, set[str]] = {}
    for text in told:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def _of_a_mount() -> str:
    metrics = Metrics("media")
    good, broken = Read("/m/a", 1.0, 0.1, True), Read("/m/b", 1.0, 0.1, False, "Input/output error")
    for state, read, failures in ((HEALTHY, good, 0), (DEGRADED, broken, 1)):
        verdict = Verdict("/m", state, "", (read,))
        metrics.observed(Observation(1000.0, 0.3, verdict, failures, False, failures > 0))
    metrics.recovered(ok=True)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with served(metrics, "127.0.0.1:0") as port:
        page: bytes = opener.open(f"http://127.0.0.1:{port}/metrics", timeout=10).read()
    return page.decode()


def test_promtool_takes_the_rules() -> None:
    said = promtool("check", "rules", str(MONITORING / "alerts.yml"))
    assert said.returncode == 0, said.stdout + said.stderr


def test_promtool_takes_the_example_of_a_configuration() -> None:
    # Not whether the token is there: that is the user's.
    said = promtool("check", "config", "--syntax-only", str(MONITORING / "prometheus.yml"))
    assert said.returncode == 0, said.stdout + said.stderr
    assert yaml.safe_load((MONITORING / "prometheus.yml").read_text())["rule_files"] == ["alerts.yml"]


def test_each_alert_comes_when_it_should_and_goes_again() -> None:
    said = promtool("test", "rules", str(PLAYED))
    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_each_alert_is_played_through_firing_and_silent(rule: dict[str, Any]) -> None:
    checks = [
        check
        for scene in yaml.safe_load(PLAYED.read_text())["tests"]
        for check in scene["alert_rule_test"]
        if check["alertname"] == rule["alert"]
    ]
    assert any(check["exp_alerts"] for check in checks)
    # One that tells of a state comes at once; in its scene are series of which it must say nothing.
    waits = "for" in rule or "[" in rule["expr"] or "offset" in rule["expr"]
    assert not waits or any(not check["exp_alerts"] for check in checks)


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_each_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"]["summary"] and rule["annotations"]["description"]


def test_the_page_lists_each_alert_with_its_severity() -> None:
    page = (MONITORING / "README.md").read_text()
    listed = re.findall(r"^\| (Medialift\w+) \| (\w+) \|", page, re.MULTILINE)
    assert listed == [(rule["alert"], rule["labels"]["severity"]) for rule in RULES]


def test_promtool_takes_every_query_of_the_dashboard(tmp_path: Path) -> None:
    queries = [re.sub(r"\$(pipeline|collection)\b", ".*", query) for query in QUERIES]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": rules}]}))
    said = promtool("check", "rules", str(tmp_path / "queries.yml"))
    assert said.returncode == 0, said.stdout + said.stderr


def test_the_dashboard_can_be_imported_anywhere() -> None:
    numbers = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in PANELS:
        assert panel["title"] and panel["description"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    assert [one["name"] for one in BOARD["templating"]["list"]] == ["datasource", "pipeline", "collection"]


def test_no_panel_lies_on_another() -> None:
    cells = [
        (x, y)
        for panel in BOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("query", sorted({*QUERIES, *(rule["expr"] for rule in RULES)}))
def test_every_metric_and_every_label_that_is_asked_for_is_told(
    query: str, labels: dict[str, set[str]]
) -> None:
    asked = _SELECTOR.findall(query)
    known: set[str] = set(EVERYWHERE)
    for name, matchers in asked:
        assert name in labels, f"nobody tells {name}"
        wanted = set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", matchers))
        assert wanted <= labels[name] | EVERYWHERE, name
        known |= labels[name]
    for group in _GROUPED.findall(query):
        assert {one.strip() for one in group.split(",") if one.strip()} <= known, query


def test_no_text_of_an_alert_names_a_label_that_it_does_not_have(labels: dict[str, set[str]]) -> None:
    for rule in RULES:
        named = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        known = EVERYWHERE.union(*(labels[name] for name, _ in _SELECTOR.findall(rule["expr"])))
        assert named <= known, rule["alert"]


def test_legends_of_the_dashboard_name_labels_that_are_there(labels: dict[str, set[str]]) -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            known = set().union(*(labels[name] for name, _ in _SELECTOR.findall(target["expr"])))
            assert named <= known, panel["title"]


def test_what_every_source_tells_is_as_prometheus_wants_it(told: tuple[str, str]) -> None:
    for text in told:
        checked = subprocess.run(
            ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr

"""A mount's figures, as Prometheus reads them."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from medialift.errors import Permanent
from medialift.mounts.metrics import Metrics, served
from medialift.mounts.monitor import Observation
from medialift.mounts.verdict import DEGRADED, HEALTHY, Read, Verdict

GOOD, BROKEN, GONE = (
    Read("/m/a", 1.0, 0.1, True),
    Read("/m/b", 1.0, 0.1, False, "Input/output error"),
    Read("/m/c", 1.0, 0.1, False, "No such file", missing=True),
)


def observation(state: str, *reads: Read, failures: int = 0, at: float = 1000.0) -> Observation:
    return Observation(at, 0.3, Verdict("/m", state, "", reads), failures, False, failures > 1)


def values(text: str) -> dict[tuple[str, ...], float]:
    """{(name, label values but the mount's): value}."""
    return {
        (
            sample.name,
            *(value for label, value in sorted(sample.labels.items()) if label != "mount"),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def metrics() -> Metrics:
    told = Metrics("media")
    told.observed(observation(HEALTHY, GOOD, GOOD, GONE, at=1000.0))
    told.observed(observation(DEGRADED, BROKEN, failures=2, at=1060.0))
    told.recovered(ok=True)
    return told


def test_they_tell_state_time_reads_failures_and_recoveries(metrics: Metrics) -> None:
    told = values(metrics.text().decode())
    assert told["medialift_mount_state", DEGRADED] == 1
    assert told["medialift_mount_state", HEALTHY] == 0
    assert told["medialift_mount_last_success_timestamp_seconds",] == 1000
    assert told["medialift_mount_failed",] == 1 and told["medialift_mount_failures_in_row",] == 2
    assert told["medialift_mount_probe_failures_total",] == 1
    assert told["medialift_mount_probe_seconds_count",] == 2
    reads = {result: told["medialift_mount_reads_total", result] for result in ("ok", "failed", "missing")}
    assert reads == {"ok": 2, "failed": 1, "missing": 1}
    assert told["medialift_mount_recoveries_total", "ok"] == 1
    assert told["medialift_mount_recoveries_total", "failed"] == 0


def test_the_file_is_replaced_as_a_whole_and_readable_for_node_exporter(
    metrics: Metrics, tmp_path: Path
) -> None:
    file = tmp_path / "media.prom"
    metrics.write(file)
    assert values(file.read_text()) == values(metrics.text().decode())
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["media.prom"]


def test_they_are_served_to_this_host_for_as_long_as_the_block_lasts(metrics: Metrics) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with served(metrics, "127.0.0.1:0") as port:
        page = opener.open(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
        assert values(page)["medialift_mount_state", DEGRADED] == 1
        with pytest.raises(Permanent, match="cannot be served"), served(metrics, f"127.0.0.1:{port}"):
            pass
    with pytest.raises(OSError):
        opener.open(f"http://127.0.0.1:{port}/metrics", timeout=10)


@pytest.mark.parametrize("address", ["0.0.0.0:9816", "192.168.1.5:9816", ":9816", "127.0.0.1", "localhost:x"])
def test_they_are_never_served_to_others(metrics: Metrics, address: str) -> None:
    with pytest.raises(Permanent, match="loopback"), served(metrics, address):
        pass

"""A mount's figures for Prometheus: a file for node_exporter's textfile collector, or served on this host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server

from medialift.errors import Permanent
from medialift.foundation import atomic
from medialift.mounts.monitor import Observation
from medialift.mounts.verdict import STATES, Read

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0)
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Metrics:
    """The figures of one mount since its monitor began; counters start with it, as Prometheus expects."""

    def __init__(self, mount: str) -> None:
        self.registry = CollectorRegistry()

        def named(name: str) -> str:
            return f"medialift_mount_{name}"

        label, kept = ("mount",), self.registry
        self._state = Gauge(
            named("state"), "1 for the state that the last probe found", ("mount", "state"), registry=kept
        )
        self._failed = Gauge(
            named("failed"), "1 when so many probes failed in a row that it is given up", label, registry=kept
        )
        self._in_row = Gauge(
            named("failures_in_row"), "Probes in a row that found it ill", label, registry=kept
        )
        self._success = Gauge(
            named("last_success_timestamp_seconds"),
            "When a probe last found it healthy",
            label,
            registry=kept,
        )
        self._probes = Histogram(
            named("probe_seconds"), "How long probes took", label, buckets=_SECONDS, registry=kept
        )
        self._failures = Counter(named("probe_failures"), "Probes that found it ill", label, registry=kept)
        self._reads = Counter(
            named("reads"), "Files that were read by probes", ("mount", "result"), registry=kept
        )
        self._recoveries = Counter(
            named("recoveries"), "Recoveries by how they ended", ("mount", "result"), registry=kept
        )
        self._mount = mount
        for one in (self._failed, self._in_row):
            one.labels(mount).set(0)
        self._failures.labels(mount)
        for result in ("ok", "failed", "missing"):
            self._reads.labels(mount, result)
        for result in ("ok", "failed"):
            self._recoveries.labels(mount, result)

    def observed(self, one: Observation) -> None:
        """A probe ended."""
        verdict = one.verdict
        for state in {*STATES, verdict.state}:
            self._state.labels(self._mount, state).set(state == verdict.state)
        self._failed.labels(self._mount).set(one.failed)
        self._in_row.labels(self._mount).set(one.failures)
        self._probes.labels(self._mount).observe(one.seconds)
        for read in verdict.reads:
            self._reads.labels(self._mount, _result(read)).inc()
        if verdict.healthy:
            self._success.labels(self._mount).set(one.at)
        else:
            self._failures.labels(self._mount).inc()

    def recovered(self, *, ok: bool) -> None:
        """A recovery ended."""
        self._recoveries.labels(self._mount, "ok" if ok else "failed").inc()

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self.registry)

    def write(self, path: Path) -> None:
        """Replace the file in one step; the name must end in .prom for node_exporter to read it.

        Raises:
            OSError: it cannot be written; the old one is left.
        """
        atomic.write_bytes(path, self.text())


@contextmanager
def served(metrics: Metrics, address: str) -> Iterator[int]:
    """Serve them for the length of the block; the port.

    Args:
        address: "127.0.0.1:9816". Port 0 takes any that is free.

    Raises:
        Permanent: the address is not one of this host's own (metrics tell paths and are not protected), or
            it is taken.
    """
    host, port = loopback(address)
    try:
        server, thread = start_http_server(port, host, metrics.registry)
    except OSError as error:
        raise Permanent(
            f"The metrics cannot be served: {error.strerror}", address, "Choose another port"
        ) from error
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def loopback(address: str) -> tuple[str, int]:
    """Host and port of an address of this host's own.

    Raises:
        Permanent: it is none.
    """
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host not in _LOOPBACK or host is None or port is None:
        raise Permanent(
            "Metrics are served on a loopback address only",
            address,
            "Write it as 127.0.0.1:9816, and let a proxy that asks for a password serve it further",
        )
    return host, port


def _result(read: Read) -> str:
    if read.ok:
        return "ok"
    return "missing" if read.missing else "failed"

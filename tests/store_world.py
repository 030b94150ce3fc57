"""An object store of a test's own: moto behind the sandbox's fault proxy, on free ports of this machine."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from medialift.cloud.objects import Store
from medialift.foundation.waiting import wait_until
from sandbox.faults import Faults
from sandbox.ports import free_ports
from sandbox.services import answers
from sandbox.settings import ACCESS_KEY, REGION, ROOT, SECRET_KEY


@dataclass(frozen=True)
class StoreWorld:
    """A running store, its bucket, and the means to break it."""

    store: Store
    bucket: str
    faults: Faults
    moto: subprocess.Popen[bytes]
    """The store itself, behind the proxy: it may be stopped (SIGSTOP) and go on (SIGCONT)."""
    direct: str
    """Its own address, past the proxy: what is behind it when it is killed is a closed port."""

    def make_bucket(self) -> None:
        where = {"LocationConstraint": REGION}
        self.store.client.create_bucket(Bucket=self.bucket, CreateBucketConfiguration=where)

    def keys(self) -> list[str]:
        found = self.store.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [entry["Key"] for entry in found]

    def unfinished_uploads(self) -> list[str]:
        found = self.store.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
        return [entry["Key"] for entry in found]

    def content(self, key: str) -> bytes:
        return self.store.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def empty(self) -> None:
        """Nothing is in the bucket any more, and nothing is broken."""
        self.faults.clear()
        client = self.store.client
        for upload in client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []):
            client.abort_multipart_upload(Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        for key in self.keys():
            client.delete_object(Bucket=self.bucket, Key=key)


@pytest.fixture(scope="session")
def running_store() -> Iterator[StoreWorld]:
    """One store for all tests of a process that only read, write and break it: starting it takes seconds."""
    with store_world() as world:
        yield world


@pytest.fixture
def store_of_test(running_store: StoreWorld) -> Iterator[StoreWorld]:
    """That store, empty and whole, before the test and after it."""
    running_store.empty()
    yield running_store
    running_store.empty()


@contextmanager
def store_world(bucket: str = "medialift") -> Iterator[StoreWorld]:
    """Start a store with one empty bucket; everything ends with the block."""
    port, proxy, control = free_ports(3)
    with (
        moto_at(port) as moto,
        _serving(
            *("-m", "sandbox.faultproxy", "--listen", "127.0.0.1", "--port", str(proxy)),
            *("--upstream", f"127.0.0.1:{port}", "--control", str(control)),
        ),
    ):
        assert wait_until(answers(f"http://127.0.0.1:{control}/counters"), at_most=60, every=0.1)
        store = Store(f"http://127.0.0.1:{proxy}", REGION, ACCESS_KEY, SECRET_KEY, timeout=2, patience=20)
        world = StoreWorld(
            store, bucket, Faults(f"http://127.0.0.1:{control}"), moto, f"http://127.0.0.1:{port}"
        )
        world.make_bucket()
        yield world


@contextmanager
def moto_at(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A store without anything in it, at a port of this machine."""
    with _serving("-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)) as server:
        assert wait_until(answers(f"http://127.0.0.1:{port}/moto-api/data.json"), at_most=60, every=0.1)
        yield server


@contextmanager
def _serving(*argv: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, *argv], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(timeout=10)

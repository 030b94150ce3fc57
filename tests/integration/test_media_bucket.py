"""The media maker fills a bucket with the same library as a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from sandbox.media import Bucket, make

KEYS = {"aws_access_key_id": "SANDBOXACCESSKEY01", "aws_secret_access_key": "sandbox-secret-key-01"}


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_a_bucket_gets_what_a_folder_gets(endpoint: str, tmp_path: Path) -> None:
    client = boto3.client("s3", endpoint_url=endpoint, region_name="fr-par", **KEYS)
    client.create_bucket(Bucket="media", CreateBucketConfiguration={"LocationConstraint": "fr-par"})
    seen: list[int] = []
    made = make(
        Bucket("media", endpoint, KEYS["aws_access_key_id"], KEYS["aws_secret_access_key"]),
        files=45,
        seed=3,
        progress=seen.append,
    )
    make(tmp_path, files=45, seed=3)
    stored = {
        entry["Key"]: client.get_object(Bucket="media", Key=entry["Key"])["Body"].read()
        for entry in client.list_objects_v2(Bucket="media")["Contents"]
    }
    written = {
        path.relative_to(tmp_path).as_posix(): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert stored == written
    assert len(stored) == made.files + made.companions
    assert made.bytes == sum(len(content) for content in stored.values())
    assert seen[-1] == made.files == 45


def test_the_secret_is_not_shown() -> None:
    assert "hidden-secret" not in repr(Bucket("media", "http://s3", "key", "hidden-secret"))

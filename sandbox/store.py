"""The S3 store: moto behind the fault proxy. It keeps its objects in memory: `down` empties it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
from botocore.config import Config

from medialift.errors import Permanent

from .media import Bucket, Made, make, plan
from .services import Service, answers
from .settings import (
    ACCESS_KEY,
    ARCHIVE_BUCKET,
    MEDIA_BUCKET,
    PYTHON,
    REGION,
    SECRET_KEY,
    STORE_BACKEND_PORT,
    STORE_CONTROL_PORT,
    STORE_PORT,
    Settings,
)

_BACKEND = f"http://127.0.0.1:{STORE_BACKEND_PORT}"


def services(settings: Settings) -> tuple[Service, ...]:
    """moto, and the proxy before it."""
    here = settings.root / "sandbox"
    moto = Service(
        name="store",
        argv=(PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(STORE_BACKEND_PORT)),
        # Not data.json: that page lists every object, and takes long when there are many.
        healthy=answers(f"{_BACKEND}/moto-api/config"),
        # boto settings of the person who runs this are no business of the server.
        without=("AWS_",),
    )
    proxy = Service(
        name="store-proxy",
        argv=(
            *(
                PYTHON,
                "-m",
                "sandbox.faultproxy",
                "--listen",
                "127.0.0.1",
                "--listen",
                settings.gateway,
            ),
            *("--port", str(STORE_PORT), "--upstream", f"127.0.0.1:{STORE_BACKEND_PORT}"),
            *("--control", str(STORE_CONTROL_PORT)),
        ),
        healthy=answers(f"http://127.0.0.1:{STORE_CONTROL_PORT}/counters"),
        sources=tuple(
            here / f"{name}.py"
            for name in ("faultproxy", "faultrules", "http_framing", "signatures", "settings")
        ),
    )
    return moto, proxy


def client(url: str = f"http://127.0.0.1:{STORE_PORT}", **more: Any) -> Any:
    """A boto3 client of the store, through the proxy; `more` goes to botocore's Config."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(
            **{
                "s3": {"addressing_style": "path"},
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
                **more,
            }
        ),
    )


def make_buckets() -> None:
    """Have the buckets of the media and of the archives."""
    store = client(_BACKEND)
    there = {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}
    for bucket in (MEDIA_BUCKET, ARCHIVE_BUCKET):
        if bucket not in there:
            store.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})


def empty() -> None:
    """Forget every object of the two buckets. Buckets of others, such as a role's tests, stay as they are."""
    make_buckets()
    store = client()
    for bucket in (MEDIA_BUCKET, ARCHIVE_BUCKET):
        for batch in _batches(sorted(_keys(store, bucket)), 1000):
            store.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in batch]})
        for upload in store.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            store.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


def fill(files: int, seed: int, bucket: str) -> Made:
    """Have exactly the library of this seed with so many media files in the bucket; returns what was added.

    What is there already is left alone: written again it would have a new time, and look changed to Plex.

    Raises:
        Permanent: there is no such bucket.
    """
    store = client()
    there = _keys(store, bucket)
    wanted = {file.key for file in plan(files, seed)}
    for batch in _batches(sorted(there - wanted), 1000):
        store.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in batch]})
    incomplete = (
        number
        for number in range(files)
        if any(file.key not in there for file in plan(number + 1, seed, number))
    )
    start = next(incomplete, files)
    if start == files:
        return Made(files=0, companions=0, bytes=0, seconds=0.0)
    into = Bucket(bucket, f"http://127.0.0.1:{STORE_PORT}", ACCESS_KEY, SECRET_KEY, REGION)
    return make(into, files=files, seed=seed, start=start)


def _keys(store: Any, bucket: str) -> set[str]:
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    try:
        return {entry["Key"] for page in pages for entry in page.get("Contents", ())}
    except store.exceptions.NoSuchBucket as fault:
        raise Permanent("The store has no such bucket", bucket, "Run python -m sandbox up") from fault


def _batches(keys: list[str], size: int) -> Iterator[list[str]]:
    for at in range(0, len(keys), size):
        yield keys[at : at + size]

"""The S3 store: moto behind the fault proxy. It keeps its objects in memory: `down` empties it."""

from __future__ import annotations

import sys
from typing import Any

import boto3
import httpx
from botocore.config import Config

from .services import Service, answers
from .settings import (
    ACCESS_KEY,
    ARCHIVE_BUCKET,
    MEDIA_BUCKET,
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
        argv=(sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(STORE_BACKEND_PORT)),
        healthy=answers(f"{_BACKEND}/moto-api/data.json"),
        # boto settings of the person who runs this are no business of the server.
        without=("AWS_",),
    )
    proxy = Service(
        name="store-proxy",
        argv=(
            *(
                sys.executable,
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
    """Forget every object, and have the two empty buckets."""
    httpx.post(f"{_BACKEND}/moto-api/reset", timeout=30, trust_env=False).raise_for_status()
    make_buckets()

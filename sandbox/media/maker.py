"""Write a planned library into a folder or a bucket."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from sandbox.media import templates
from sandbox.media.plan import MediaFile, plan

UPLOADS_AT_ONCE = 12
TYPES = {
    "movie": "video/x-matroska",
    "episode": "video/x-matroska",
    "trailer": "video/x-matroska",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "photo": "image/jpeg",
    "subtitle": "application/x-subrip",
}


@dataclass(frozen=True)
class Bucket:
    """A bucket that exists already."""

    name: str
    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "fr-par"


@dataclass(frozen=True)
class Made:
    """What was written. `files` are media files, `companions` the subtitles and trailers beside them."""

    files: int
    companions: int
    bytes: int
    seconds: float


def make(
    into: Path | Bucket,
    *,
    files: int,
    seed: int = 1,
    start: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> Made:
    """Make the library with this seed and so many media files.

    Args:
        into: a folder (made when missing) or a bucket; keys are the same in both.
        files: how many media files the whole library has; the same seed with more of them is a superset.
        start: leave out files before this number: to let a library grow by files `start` to `files` - 1.
        progress: called with the number of files written so far, now and then.
    """
    began = time.monotonic()
    made = templates.build()
    put = _put_into_folder(into) if isinstance(into, Path) else _put_into_bucket(into)
    counted = [0, 0, 0]

    def write(file: MediaFile) -> int:
        content = made.make(file, seed)
        put(file, content)
        return len(content)

    planned = plan(files, seed, start)
    with ThreadPoolExecutor(1 if isinstance(into, Path) else UPLOADS_AT_ONCE) as pool:
        for batch in _batches(planned, 200):
            for file, size in zip(batch, pool.map(write, batch), strict=True):
                counted[1 if file.kind in ("subtitle", "trailer") else 0] += 1
                counted[2] += size
            progress(counted[0])
    return Made(counted[0], counted[1], counted[2], time.monotonic() - began)


def _put_into_folder(folder: Path) -> Callable[[MediaFile, bytes], None]:
    def put(file: MediaFile, content: bytes) -> None:
        path = folder / file.key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return put


def _put_into_bucket(bucket: Bucket) -> Callable[[MediaFile, bytes], None]:
    here = threading.local()

    def client() -> Any:
        # One client per thread: a shared one waits for its own connections.
        if not hasattr(here, "client"):
            here.client = boto3.session.Session().client(
                "s3",
                endpoint_url=bucket.endpoint,
                aws_access_key_id=bucket.access_key,
                aws_secret_access_key=bucket.secret_key,
                region_name=bucket.region,
                config=Config(
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    s3={"addressing_style": "path"},
                    retries={"max_attempts": 3},
                ),
            )
        return here.client

    def put(file: MediaFile, content: bytes) -> None:
        client().put_object(Bucket=bucket.name, Key=file.key, Body=content, ContentType=TYPES[file.kind])

    return put


def _batches(things: Iterator[MediaFile], size: int) -> Iterator[list[MediaFile]]:
    while batch := list(islice(things, size)):
        yield batch

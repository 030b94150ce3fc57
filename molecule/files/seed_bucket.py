"""Make a bucket and put three known files in it.

Arguments: address of the store, bucket. The keys are taken from the environment.
"""

from __future__ import annotations

import sys

import boto3
from botocore.config import Config

FILES = {
    "Movies/One (2001)/One (2001).mkv": b"one" * 100_000,
    "Movies/Two (2002)/Two (2002).mkv": b"two" * 100_000,
    "Music/Artist/Album/01 - Song.flac": b"song" * 10_000,
}


def main(endpoint: str, bucket: str) -> None:
    store = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="fr-par",
        config=Config(request_checksum_calculation="when_required", s3={"addressing_style": "path"}),
    )
    if bucket not in [found["Name"] for found in store.list_buckets()["Buckets"]]:
        store.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "fr-par"})
    for key, content in FILES.items():
        store.put_object(Bucket=bucket, Key=key, Body=content)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The S3 store and its fault proxy, seen through boto3: a proxy of its own before a moto of its own."""

import contextlib
import io
import os
import socket
import subprocess
import sys
import threading
import time

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from medialift.foundation.waiting import wait_until
from sandbox.faults import Faults
from sandbox.ports import free_ports
from sandbox.services import answers
from sandbox.settings import ACCESS_KEY, ROOT, SECRET_KEY

MIB = 1024 * 1024
BODY = bytes(range(256)) * 2048  # 512 KiB


@contextlib.contextmanager
def serving(*argv: str):
    process = subprocess.Popen([sys.executable, *argv], cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="module")
def ports():
    moto, proxy, control = free_ports(3)
    with (
        serving("-m", "moto.server", "-H", "127.0.0.1", "-p", str(moto)),
        serving(
            *("-m", "sandbox.faultproxy", "--listen", "127.0.0.1", "--port", str(proxy)),
            *("--upstream", f"127.0.0.1:{moto}", "--control", str(control)),
        ),
    ):
        assert wait_until(answers(f"http://127.0.0.1:{moto}/moto-api/data.json"), at_most=30, every=0.1)
        assert wait_until(answers(f"http://127.0.0.1:{control}/counters"), at_most=10, every=0.1)
        yield proxy, control


@pytest.fixture
def faults(ports):
    control = Faults(f"http://127.0.0.1:{ports[1]}")
    control.clear()
    control.reset_counters()
    yield control
    control.clear()


def client(ports, access_key=ACCESS_KEY, secret_key=SECRET_KEY, **config):
    return boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{ports[0]}",
        region_name="fr-par",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(
            **{
                "s3": {"addressing_style": "path"},
                "retries": {"total_max_attempts": 1},
                "read_timeout": 5,
                **config,
            }
        ),
    )


@pytest.fixture(scope="module")
def bucket(ports):
    store = client(ports)
    store.create_bucket(Bucket="media", CreateBucketConfiguration={"LocationConstraint": "fr-par"})
    store.put_object(Bucket="media", Key="film.mkv", Body=BODY)
    return store


def read(store) -> bytes:
    return store.get_object(Bucket="media", Key="film.mkv")["Body"].read()


def test_what_is_put_through_the_proxy_comes_back_whole_and_by_range(bucket, faults):
    assert read(bucket) == BODY
    part = bucket.get_object(Bucket="media", Key="film.mkv", Range="bytes=1000-1999")
    assert (part["ResponseMetadata"]["HTTPStatusCode"], part["Body"].read()) == (206, BODY[1000:2000])


def test_a_multipart_upload_of_large_parts_comes_back_whole(ports, bucket, faults):
    content = os.urandom(MIB) * 24
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB, max_concurrency=3)
    bucket.upload_fileobj(io.BytesIO(content), "media", "large.bin", Config=config)
    assert bucket.head_object(Bucket="media", Key="large.bin")["ContentLength"] == len(content)
    assert bucket.get_object(Bucket="media", Key="large.bin")["Body"].read() == content
    assert faults.counters()["uploaded"] >= len(content)


def test_bodies_sent_in_chunks_with_trailing_checksums_arrive(ports, bucket, faults):
    checked = client(ports, request_checksum_calculation="when_supported")
    checked.put_object(Bucket="media", Key="checked.bin", Body=io.BytesIO(BODY), ChecksumAlgorithm="CRC32")
    assert bucket.get_object(Bucket="media", Key="checked.bin")["Body"].read() == BODY


def test_a_chunked_body_over_a_bare_socket_arrives(ports, bucket, faults):
    url = bucket.generate_presigned_url("put_object", Params={"Bucket": "media", "Key": "chunked.bin"})
    target = url.split(f":{ports[0]}", 1)[1]
    with socket.create_connection(("127.0.0.1", ports[0]), timeout=5) as connection:
        head = f"PUT {target} HTTP/1.1\r\nHost: 127.0.0.1:{ports[0]}\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert bucket.get_object(Bucket="media", Key="chunked.bin")["Body"].read() == b"hello world"


@pytest.mark.parametrize("key", ["a b+c&d=é/ü (1)'!*.mkv", "TV Shows/Æon/S01E01 - 100%.mkv"])
def test_names_with_awkward_characters_are_signed_and_found(bucket, faults, key):
    bucket.put_object(Bucket="media", Key=key, Body=b"x")
    assert bucket.list_objects_v2(Bucket="media", Prefix=key)["Contents"][0]["Key"] == key


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"access_key": "SANDBOXWRONGKEY001"}, "InvalidAccessKeyId"),
        ({"secret_key": "not-the-secret"}, "SignatureDoesNotMatch"),
    ],
)
def test_wrong_credentials_are_refused_as_s3_does(ports, bucket, faults, keys, code):
    with pytest.raises(ClientError) as refused:
        read(client(ports, **keys))
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_an_unsigned_request_is_refused(ports, bucket, faults):
    with socket.create_connection(("127.0.0.1", ports[0]), timeout=5) as connection:
        connection.sendall(b"GET /media/film.mkv HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 403 ")


def test_reset_breaks_the_connection(bucket, faults):
    with faults.active("reset", "GET /media/film"), pytest.raises(ConnectionClosedError):
        read(bucket)
    assert read(bucket) == BODY


def test_reset_in_the_middle_of_a_body(bucket, faults):
    with (
        faults.active("reset", "GET /media/film", after_bytes=100_000),
        pytest.raises(ResponseStreamingError),
    ):
        read(bucket)
    assert read(bucket) == BODY


@pytest.mark.parametrize(
    ("action", "status", "code"), [("status403", 403, "AccessDenied"), ("status503", 503, "SlowDown")]
)
def test_error_answers_look_like_s3(bucket, faults, action, status, code):
    with faults.active(action, "GET /media/film"), pytest.raises(ClientError) as refused:
        read(bucket)
    assert refused.value.response["Error"]["Code"] == code
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert read(bucket) == BODY


def test_an_upload_gets_its_error_answer_instead_of_a_broken_connection(bucket, faults):
    with faults.active("status503", "PUT"), pytest.raises(ClientError) as refused:
        bucket.put_object(Bucket="media", Key="refused.bin", Body=b"x" * (8 * MIB))
    assert refused.value.response["Error"]["Code"] == "SlowDown"


def test_truncate_ends_a_body_early(bucket, faults):
    with faults.active("truncate", "GET /media/film", after_bytes=1000):
        body = bucket.get_object(Bucket="media", Key="film.mkv")["Body"]
        with pytest.raises((IncompleteReadError, ResponseStreamingError)):
            body.read()
    assert read(bucket) == BODY


def test_a_cut_upload_leaves_no_object(bucket, faults):
    with faults.active("reset", "PUT /media/cut", after_bytes=MIB), pytest.raises(ConnectionClosedError):
        bucket.put_object(Bucket="media", Key="cut.bin", Body=b"x" * (4 * MIB))
    assert "Contents" not in bucket.list_objects_v2(Bucket="media", Prefix="cut.bin")


def test_refuse_stops_listening_and_comes_back(ports, bucket, faults):
    with faults.active("refuse"), pytest.raises(EndpointConnectionError):
        read(client(ports))
    assert read(bucket) == BODY


def test_hang_accepts_and_never_answers(ports, bucket, faults):
    with faults.active("hang", "GET /media/film"), pytest.raises(ReadTimeoutError):
        read(client(ports, read_timeout=1))
    assert read(bucket) == BODY


def test_what_hangs_goes_on_when_the_fault_is_removed(ports, bucket, faults):
    faults.add("hang", "GET /media/film", after_bytes=1000, times=1)
    healer = threading.Timer(1, faults.clear)
    healer.start()
    began = time.monotonic()
    assert read(client(ports, read_timeout=20)) == BODY
    assert 0.9 < time.monotonic() - began < 30


def test_slow_sends_at_a_rate(bucket, faults):
    with faults.active("slow", "GET /media/film", bytes_per_second=len(BODY)):
        began = time.monotonic()
        assert read(bucket) == BODY
        assert 0.8 < time.monotonic() - began < 3


def test_a_fault_can_be_for_so_many_requests_only(bucket, faults):
    faults.add("status503", "GET /media/film", times=2)
    for _ in range(2):
        with pytest.raises(ClientError):
            read(bucket)
    assert read(bucket) == BODY


def test_the_newest_rule_wins_so_an_exception_can_be_made(bucket, faults):
    faults.add("status403", "GET")
    faults.add("pass", "GET /media/film")
    assert read(bucket) == BODY
    with pytest.raises(ClientError):
        bucket.get_object(Bucket="media", Key="checked.bin")


def test_requests_and_bytes_are_counted(bucket, faults):
    read(bucket)
    with faults.active("status503", "GET /media/film"), pytest.raises(ClientError):
        read(bucket)
    counted = faults.counters()
    assert counted["requests"] == 2
    assert counted["bytes"] == len(BODY)
    assert counted["by_action"] == {"pass": 1, "status503": 1}


@pytest.mark.parametrize(
    "rule",
    [
        {"action": "explode"},
        {"action": "reset", "match": "("},
        {"action": "refuse", "times": 1},
        {"action": "reset", "after_bytes": "many"},
        {"action": "reset", "colour": "red"},
    ],
)
def test_a_rule_that_means_nothing_is_refused(faults, rule):
    with pytest.raises(ValueError, match=r"\w"):
        faults.add(**rule)
    assert faults._ask("GET", "/faults").json() == []

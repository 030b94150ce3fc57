"""The object store (S3): checked, listed, written in parts and read forward, in constant memory.

An upload is invisible until it is committed. A read that breaks goes on where it broke.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from types import TracebackType
from typing import Any, Literal, TypeVar

import boto3
import urllib3
from botocore import exceptions as boto
from botocore.config import Config

from medialift.errors import MedialiftError, Permanent, Transient
from medialift.foundation.backoff import attempts
from medialift.settings import StoreSettings

# S3 allows 10,000 parts: with 16 MiB each, an object of 156 GiB.
PART_SIZE = 16 << 20
MOST_PARTS = 10_000

_WRONG_CREDENTIALS = {
    "AuthFailure",
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
_PASSING = {"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "ThrottlingException"}
_ABSENT = {"404", "NoSuchKey", "NotFound"}

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


# Seconds over which a failing request is tried again before its error is raised.
PATIENCE = 180.0


@dataclass(frozen=True)
class Store:
    """Where the store is and how to get in.

    Args:
        endpoint: its address, such as https://s3.fr-par.scw.cloud.
        timeout: seconds without a byte after which a connection counts as dead.
        patience: seconds over which a failing request is tried again before its error is raised.
    """

    endpoint: str
    region: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    timeout: float = 60.0
    patience: float = PATIENCE

    @classmethod
    def of(cls, given: StoreSettings, *, patience: float | None = None) -> Store:
        """The store of this host's settings; `patience` in place of theirs."""
        return cls(
            given.endpoint,
            given.region,
            given.access_key.get_secret_value(),
            given.secret_key.get_secret_value(),
            timeout=given.timeout,
            patience=given.patience if patience is None else patience,
        )

    @cached_property
    def client(self) -> Any:
        """boto3's client; it may be used from several threads.

        Raises:
            Permanent: a key is missing, or the address is malformed.
        """
        if not self.access_key or not self.secret_key:
            raise Permanent(
                "The store's credentials are missing",
                self.endpoint,
                "Set store.access_key and store.secret_key",
            )
        try:
            return boto3.session.Session().client(
                "s3",
                endpoint_url=self.endpoint,
                region_name=self.region,
                aws_access_key_id=self.access_key,
                aws_secret_access_key=self.secret_key,
                config=Config(
                    # Since 1.36 boto3 sends checksums that stores other than Amazon's reject in places.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                    retries={"mode": "standard", "max_attempts": 2},
                    connect_timeout=min(10.0, self.timeout),
                    read_timeout=self.timeout,
                    s3={"addressing_style": "path"},
                ),
            )
        except ValueError as error:
            raise Permanent("The store's address is malformed", self.endpoint, str(error)) from error

    def patiently(self, request: Callable[[], _T], subject: str) -> _T:
        """The answer of `request`, tried again while its failures are passing ones."""
        for attempt in attempts(limit=8, at_most=self.patience):
            with attempt, _translated(subject):
                return request()
        raise AssertionError("attempts() ends with a result or an error")


@dataclass(frozen=True)
class ObjectFacts:
    """An object: its key, size in bytes, ETag, and when it was written (seconds since the epoch)."""

    key: str
    size: int
    etag: str
    modified: float


@dataclass(frozen=True)
class Unfinished:
    """An upload that has not been committed."""

    key: str
    id: str


def check(store: Store, bucket: str, *, write: bool, prefix: str = "") -> None:
    """Prove that the bucket can be listed and, when `write`, that an upload can be begun below `prefix`.

    Nothing visible is left: the upload is aborted before it has any part.

    Raises:
        Permanent: wrong credentials, no such bucket, or the store refuses.
        Transient: the store cannot be reached, or is busy.
    """
    subject = f"s3://{bucket}"
    store.patiently(
        lambda: store.client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1),
        subject,
    )
    if write:
        Upload(store, bucket, f"{prefix.rstrip('/')}/write-check".lstrip("/")).abort()


def put_bytes(store: Store, bucket: str, key: str, content: bytes, *, content_type: str = "") -> None:
    """Write a small object in one request."""
    more = {"ContentType": content_type} if content_type else {}
    store.patiently(
        lambda: store.client.put_object(Bucket=bucket, Key=key, Body=content, **more), f"s3://{bucket}/{key}"
    )


def get_bytes(store: Store, bucket: str, key: str, *, at_most: int = 64 << 20) -> bytes:
    """Read a small object whole.

    Raises:
        Permanent: there is no such object, or it has more than `at_most` bytes.
    """
    with open_reader(store, bucket, key) as reader:
        if reader.size > at_most:
            raise Permanent(
                f"The object is larger than {at_most} bytes", f"s3://{bucket}/{key}", "Check the key"
            )
        return b"".join(iter(lambda: reader.read(1 << 20), b""))


def head(store: Store, bucket: str, key: str) -> ObjectFacts | None:
    """An object's facts; None when the store says that there is none."""

    def ask() -> ObjectFacts | None:
        try:
            reply = store.client.head_object(Bucket=bucket, Key=key)
        except boto.ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise
        return ObjectFacts(key, reply["ContentLength"], reply["ETag"], reply["LastModified"].timestamp())

    return store.patiently(ask, f"s3://{bucket}/{key}")


@dataclass(frozen=True)
class Look:
    """What the store says of one object, in five words, and in its own.

    Attributes:
        state: "there" (200), "gone" (404, and the bucket's listing does not have it either), "refused" (403
            and every other answer that a person must put right), "failing" (5xx, 429), or "silent" (no answer
            within the time-out, no connection, one that broke off).
    """

    state: Literal["there", "gone", "refused", "failing", "silent"]
    detail: str = ""


def look(store: Store, bucket: str, key: str) -> Look:
    """Ask for an object's head, and tell apart what `head` raises. What passes is tried again meanwhile.

    A HEAD's 404 has no body, and some stores and proxies answer so for what they refuse or do not understand.
    The listing is a second witness: it is asked another way, and hides no object.

    It never raises for what the store says: "could not be told" is an answer too, and never "gone".
    """
    try:
        if head(store, bucket, key):
            return Look("there")
        # Of all keys that begin so, the one that ends there comes first.
        if any(found.key == key for found in islice(list_objects(store, bucket, key, page=1), 1)):
            return Look("refused", "its head is answered with 404, and yet the store lists it")
        return Look("gone", "404")
    except UnicodeEncodeError:
        return Look("refused", "its name is not UTF-8, so the store cannot be asked for it")
    except Transient as error:
        answered = isinstance(error.__cause__, boto.ClientError)
        return Look("failing" if answered else "silent", error.what)
    except MedialiftError as error:
        return Look("refused", error.what)


def list_objects(store: Store, bucket: str, prefix: str = "", *, page: int = 1000) -> Iterator[ObjectFacts]:
    """Every object whose key starts with `prefix`, in order of key, asked for `page` at a time."""
    token: dict[str, str] = {}
    while True:
        reply = store.patiently(
            lambda: store.client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=page, **token),  # noqa: B023
            f"s3://{bucket}/{prefix}",
        )
        for found in reply.get("Contents", ()):
            yield ObjectFacts(found["Key"], found["Size"], found["ETag"], found["LastModified"].timestamp())
        if not reply.get("IsTruncated"):
            return
        token = {"ContinuationToken": reply["NextContinuationToken"]}


def delete(store: Store, bucket: str, key: str) -> None:
    """Delete an object; one that is not there is deleted already."""
    store.patiently(lambda: store.client.delete_object(Bucket=bucket, Key=key), f"s3://{bucket}/{key}")


def unfinished_uploads(store: Store, bucket: str, prefix: str) -> list[Unfinished]:
    """Uploads below `prefix` that were begun and neither committed nor aborted (the first thousand).

    A killed upload is invisible, but its parts are stored and paid for until somebody aborts it.
    """
    found = store.patiently(
        lambda: store.client.list_multipart_uploads(Bucket=bucket, Prefix=prefix), f"s3://{bucket}/{prefix}"
    )
    return [Unfinished(upload["Key"], upload["UploadId"]) for upload in found.get("Uploads", ())]


def abort_upload(store: Store, bucket: str, upload: Unfinished) -> None:
    """Remove an unfinished upload with its parts; one that is gone already is fine."""

    def ask() -> None:
        try:
            store.client.abort_multipart_upload(Bucket=bucket, Key=upload.key, UploadId=upload.id)
        except boto.ClientError as error:
            if _code(error) != "NoSuchUpload":
                raise

    store.patiently(ask, f"s3://{bucket}/{upload.key}")


class Upload:
    """An object that is written forward and appears whole with `commit`, or never.

    As a context manager it aborts when the block ends without a commit. Memory: the part being filled and
    `workers` being sent.

    Raises:
        Permanent: no such bucket, wrong credentials, refused, or more than MOST_PARTS parts.
        Transient: the store failed for longer than its `patience`.
    """

    def __init__(
        self, store: Store, bucket: str, key: str, *, part_size: int = PART_SIZE, workers: int = 2
    ) -> None:
        self._store, self._bucket, self.key = store, bucket, key
        self.url = f"s3://{bucket}/{key}"
        self._part_size = part_size
        self._buffer = bytearray()
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="upload")
        self._workers = workers
        self._going: deque[Future[str]] = deque()
        self._etags: list[str] = []
        self._ended = False
        self.bytes = 0
        self._id: str = store.patiently(
            lambda: store.client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"], self.url
        )

    def __enter__(self) -> Upload:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._ended:
            self.abort()

    def write(self, data: bytes) -> int:
        """Take more content; it waits when the store is slower than the writer."""
        if self._ended:
            raise ValueError("the upload has ended")
        self._buffer += data
        self.bytes += len(data)
        while len(self._buffer) >= self._part_size:
            self._send(bytes(self._buffer[: self._part_size]))
            del self._buffer[: self._part_size]
        return len(data)

    def commit(self) -> ObjectFacts:
        """Send what is left and make the object appear."""
        if self._buffer or not (self._etags or self._going):
            self._send(bytes(self._buffer))
            self._buffer.clear()
        while self._going:
            self._etags.append(self._going.popleft().result())
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(self._etags, 1)]
        self._store.patiently(lambda: self._complete(parts), self.url)
        self._ended = True
        self._pool.shutdown()
        facts = head(self._store, self._bucket, self.key)
        if facts is None or facts.size != self.bytes:
            delete(self._store, self._bucket, self.key)
            raise Transient("The store kept something else than was sent", self.url, "Try again")
        return facts

    def abort(self) -> None:
        """Give up: nothing of the upload stays in the store."""
        self._ended = True
        self._pool.shutdown(cancel_futures=True)
        self._buffer.clear()
        try:
            abort_upload(self._store, self._bucket, Unfinished(self.key, self._id))
        except MedialiftError as error:
            # Usually the store is what failed in the first place, and that error is the one to show. The
            # parts are invisible; a later export removes them.
            _log.warning("An unfinished upload could not be aborted: %s", error)

    def _send(self, part: bytes) -> None:
        while len(self._going) >= self._workers:
            self._etags.append(self._going.popleft().result())
        number = len(self._etags) + len(self._going) + 1
        if number > MOST_PARTS:
            raise Permanent(
                "The object is too large for the store",
                self.url,
                f"It has more than {MOST_PARTS} parts of {self._part_size} bytes: export fewer contents",
            )
        self._going.append(self._pool.submit(self._send_part, number, part))

    def _send_part(self, number: int, part: bytes) -> str:
        reply = self._store.patiently(
            lambda: self._store.client.upload_part(
                Bucket=self._bucket, Key=self.key, UploadId=self._id, PartNumber=number, Body=part
            ),
            self.url,
        )
        return str(reply["ETag"])

    def _complete(self, parts: list[dict[str, Any]]) -> None:
        try:
            self._store.client.complete_multipart_upload(
                Bucket=self._bucket, Key=self.key, UploadId=self._id, MultipartUpload={"Parts": parts}
            )
        except boto.ClientError as error:
            # An earlier try may have succeeded and lost only its answer; `commit` looks at the object.
            if _code(error) != "NoSuchUpload" or head(self._store, self._bucket, self.key) is None:
                raise


class ObjectReader:
    """An object read forward once. A broken connection is made again at the byte where it broke.

    Raises (opening and reading):
        Permanent: there is no such object, or another took its place meanwhile.
        Transient: the store failed for longer than its `patience` without a byte in between.
    """

    def __init__(self, store: Store, bucket: str, key: str) -> None:
        self._store, self._bucket, self._key = store, bucket, key
        self.url = f"s3://{bucket}/{key}"
        self._at = 0
        reply = store.patiently(lambda: store.client.get_object(Bucket=bucket, Key=key), self.url)
        self.size: int = reply["ContentLength"]
        self._etag: str = reply["ETag"]
        self._body: Any = reply["Body"]

    def __enter__(self) -> ObjectReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._body is not None:
            self._body.close()

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes (all with -1); b"" only at the end."""
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        if not size or self._at == self.size:
            return b""
        data = self._store.patiently(lambda: self._try(size), self.url)
        self._at += len(data)
        return data

    def _try(self, size: int) -> bytes:
        try:
            if self._body is None:
                self._body = self._reopen()
            data: bytes = self._body.read(size)
            if not data:
                raise Transient("The store ended an object too early", self.url, "Try again")
        except Exception:
            # Whatever it was, this connection's position is not known any more.
            body, self._body = self._body, None
            if body is not None:
                body.close()
            raise
        return data

    def _reopen(self) -> Any:
        reply = self._store.client.get_object(
            Bucket=self._bucket, Key=self._key, Range=f"bytes={self._at}-", IfMatch=self._etag
        )
        body = reply["Body"]
        if reply["ResponseMetadata"]["HTTPStatusCode"] == 200:
            # A store that ignores the range sends all from the beginning.
            left = self._at
            while left and (skipped := body.read(min(left, 1 << 20))):
                left -= len(skipped)
        return body


def open_reader(store: Store, bucket: str, key: str) -> ObjectReader:
    """A forward reader of an object (see ObjectReader)."""
    return ObjectReader(store, bucket, key)


def _code(error: boto.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _translated(subject: str) -> Iterator[None]:
    """boto3's errors as ours."""
    try:
        yield
    except boto.ClientError as error:
        raise _refusal(error, subject) from error
    except boto.ParamValidationError as error:
        raise Permanent("The name of a bucket or object is malformed", subject, "Check its name") from error
    except (
        boto.HTTPClientError,
        boto.IncompleteReadError,
        boto.ConnectionError,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        raise Transient(
            f"The store cannot be reached or broke off ({type(error).__name__})",
            subject,
            "Check its address and the network, then try again",
        ) from error


def _refusal(error: boto.ClientError, subject: str) -> MedialiftError:
    code = _code(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _WRONG_CREDENTIALS:
        return Permanent(
            "The store does not accept the credentials",
            subject,
            "Check store.access_key and store.secret_key, and that they belong to this region",
        )
    if code == "NoSuchBucket":
        return Permanent("There is no such bucket", subject, "Make it, or correct its name")
    if code in _ABSENT:
        return Permanent("There is no such object", subject, "Check its name")
    if code in ("PreconditionFailed", "412"):
        return Permanent("The object was replaced while it was read", subject, "Read it again")
    if code in ("AccessDenied", "403") or status == 403:
        return Permanent(
            "The store refuses access", subject, "Give the key the right to read, write and list this bucket"
        )
    if code in _PASSING or status >= 500 or status == 429:
        return Transient(f"The store is busy or failing ({code})", subject, "Try again later")
    return Permanent(f"The store refuses the request ({code})", subject, "Look the code up in its manual")

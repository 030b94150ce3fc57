"""What kind of failure an error of an HTTP client is, whichever client it was."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from socket import gaierror

from medialift.errors import MedialiftError

CANCELLED, OWN = "cancelled", "own"
"""Neither is the server's: we gave it up, or what was to be sent could not be read."""

# The classes of httpx and aiohttp by name: a worker has one of them, and need not load the other.
_BY_NAME = {
    "certificate": ("ClientConnectorCertificateError", "ClientConnectorSSLError", "ClientSSLError"),
    "name": ("ClientConnectorDNSError",),
    "timeout": ("TimeoutException", "ServerTimeoutError", "TimeoutError"),
    "truncated": ("ClientPayloadError", "ContentLengthError", "TransferEncodingError", "DecodingError"),
    "connect": ("ConnectError", "ClientConnectorError", "ConnectionRefusedError"),
    "reset": (
        "ServerDisconnectedError",
        "ReadError",
        "WriteError",
        "CloseError",
        "ClientOSError",
        "ConnectionResetError",
        "BrokenPipeError",
    ),
    "protocol": ("ProtocolError", "ClientResponseError", "InvalidURL"),
}


def kind_of(error: BaseException) -> str:
    """timeout, reset, connect, name (of a host), certificate, truncated, protocol, cancelled, own, other."""
    chain = list(_chain(error))
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt | GeneratorExit):
        return CANCELLED
    if any(isinstance(one, MedialiftError) for one in chain):
        return OWN
    if any(isinstance(one, ssl.SSLCertVerificationError | ssl.SSLError) for one in chain):
        return "certificate"
    if any(isinstance(one, gaierror) for one in chain):
        return "name"
    if _disconnected(error):
        return "truncated" if "incomplete" in str(error).lower() else "reset"
    names = {one.__name__ for one in type(error).__mro__}
    return next((kind for kind, known in _BY_NAME.items() if names.intersection(known)), "other")


def _disconnected(error: BaseException) -> bool:
    """httpx has one class for an answer that is none and for one that never came."""
    said = str(error).lower()
    return type(error).__name__ == "RemoteProtocolError" and ("disconnected" in said or "incomplete" in said)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__

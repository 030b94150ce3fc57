"""The record of a job's HTTP traffic (batch debug logging), for every pipeline.

A client of httpx, of either kind, is watched from when it is made; so is one that is made with its own
transport:

    client = traffic.watch(httpx.Client(timeout=30))
    client = httpx.Client(transport=traffic.transport(inner))           # async_transport for an AsyncClient

A worker has one `Recorder`, follows the switch with it, and says which work is a job's, and of which item:

    recorder = Recorder(settings.diagnostics, pipeline="posters", secrets=secrets(settings))
    recorder.attend(crew)                                               # in the handler's `open`, in a thread
    with recorder.recording(f"posters-{batch}", label="42 posters of Movies", linger=10):
        with traffic.about(item_id):
            client.get(…)
    recorder.close()                                                    # in the handler's `close`

`recording` yields the record, or None while the switch is off; `record.note(product="Jellyfin", version=…)`
keeps what is known of the server, and `record.rejected(why)` says that what came last for an item cannot be
used, whatever its status was. Tasks that begin in the block belong to it, a thread of a pool does only
when the block is within it, and what is asked within `traffic.unrecorded()` does not. A request that is sent
again after a failure is numbered as the next attempt by itself, by its item, method and address.

Nothing is recorded of bodies but the beginning of those of errors, and secrets are masked before anything is
written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from medialift.diagnostics.traffic.current import about, current_record, unrecorded
from medialift.diagnostics.traffic.record import Record
from medialift.diagnostics.traffic.recorder import Recorder

if TYPE_CHECKING:
    from typing import TypeVar

    import httpx

    _C = TypeVar("_C", httpx.Client, httpx.AsyncClient)

__all__ = [
    "Record",
    "Recorder",
    "about",
    "async_transport",
    "current_record",
    "transport",
    "unrecorded",
    "watch",
]

# A worker of books has another client, and its memory is counted: httpx is loaded by who has one of its own.


def watch(client: _C) -> _C:
    """The client itself, all of whose transports are watched, those of the environment's proxies too."""
    from medialift.diagnostics.traffic import httpx_client

    return httpx_client.watch(client)


def transport(inner: httpx.BaseTransport) -> httpx.BaseTransport:
    """A transport around another one, for a client that is made with its own."""
    from medialift.diagnostics.traffic import httpx_client

    return httpx_client.Watched(inner)


def async_transport(inner: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
    """The same for a client of an event loop."""
    from medialift.diagnostics.traffic import httpx_client

    return httpx_client.AsyncWatched(inner)

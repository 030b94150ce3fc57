"""What the ledger knows of pictures: what was downloaded, what was kept before it was replaced, whose they
are."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from medialift.errors import Unsafe
from medialift.posters.jellyfin import Server
from medialift.posters.picture import Picture

_KNOWN = text(
    "select tag, sha256, size, path from poster"
    " where collection = :collection and jellyfin_id = :id and image = :image"
)
_REMEMBER = text("""
    insert into poster (collection, jellyfin_id, image, tag, sha256, size, format, width, height, path)
    values (:collection, :id, :image, :tag, :sha256, :size, :format, :width, :height, :path)
    on conflict (collection, jellyfin_id, image) do update
       set tag = :tag, sha256 = :sha256, size = :size, format = :format, width = :width, height = :height,
           path = :path, changed = now()""")
_KEEP = text("""
    insert into poster_kept (collection, jellyfin_id, image, sha256, size, format, path, batch_id)
    values (:collection, :id, :image, :sha256, :size, :format, :path, :batch)
    on conflict (collection, jellyfin_id, image, sha256) do update
       set last_kept = now(), batch_id = :batch, path = :path""")
# Of several attempts the first one saw what was there before the batch.
_REPLACES = text(
    "update poster_item set replaced = :sha256"
    " where batch_id = :batch and jellyfin_id = :id and replaced is null"
)
_KEPT = text(
    "select sha256, size, format, path from poster_kept"
    " where collection = :collection and jellyfin_id = :id and image = :image and sha256 = :sha256"
)
_ANY = text(
    "select exists (select from poster where collection = :collection)"
    " or exists (select from poster_kept where collection = :collection and path <> '')"
)
_SERVER = text("""
    insert into poster_server (collection, server, name) values (:collection, :server, :name)
    on conflict (collection) do update set name = :name where poster_server.server = :server
    returning server""")
_TAKEN = text("select name from poster_server where collection = :collection")


@dataclass(frozen=True)
class Known:
    """A picture as it was when it was downloaded last."""

    tag: str
    sha256: str
    size: int
    path: str


@dataclass(frozen=True)
class Kept:
    """A picture of the server as it was before it was replaced. Without a hash: there was none."""

    sha256: str = ""
    size: int = 0
    format: str = ""
    path: str = ""


def known(connection: Connection, collection: str, id: str, image: str) -> Known | None:
    """What was downloaded; None: nothing yet."""
    row = connection.execute(_KNOWN, {"collection": collection, "id": id, "image": image}).one_or_none()
    return None if row is None else Known(*row)


def remember(
    connection: Connection, collection: str, id: str, image: str, tag: str, path: str, found: Picture
) -> None:
    """Write down what was downloaded."""
    connection.execute(
        _REMEMBER,
        {"collection": collection, "id": id, "image": image, "tag": tag, "path": path, **vars(found)},
    )


def keep(connection: Connection, collection: str, id: str, image: str, batch: int, found: Kept) -> None:
    """Write down what is about to be replaced."""
    connection.execute(
        _KEEP, {"collection": collection, "id": id, "image": image, "batch": batch, **vars(found)}
    )
    connection.execute(_REPLACES, {"batch": batch, "id": id, "sha256": found.sha256})


def kept(connection: Connection, collection: str, id: str, image: str, sha256: str) -> Kept | None:
    """A picture that was kept."""
    row = connection.execute(
        _KEPT, {"collection": collection, "id": id, "image": image, "sha256": sha256}
    ).one_or_none()
    return None if row is None else Kept(*row)


def any_file(connection: Connection, collection: str) -> bool:
    """Whether anything was ever written into the folder."""
    return bool(connection.execute(_ANY, {"collection": collection}).scalar_one())


def same_server(connection: Connection, collection: str, server: Server) -> None:
    """See that a collection is of this server; a new one is from now on.

    Raises:
        Unsafe: it is of another, whose ids mean other items.
    """
    given = {"collection": collection, "server": server.id, "name": server.name}
    if connection.execute(_SERVER, given).first() is None:
        name = connection.execute(_TAKEN, given).scalar_one()
        raise Unsafe(
            "The posters in the ledger are of another Jellyfin",
            f"{collection}: of {name or 'another'}, this is {server.name or server.id}",
            "Give this one a collection of its own: posters.collection",
        )

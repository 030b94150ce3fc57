"""The tables of posters in the ledger: batches, what their items are about, what lies here, what was kept.

They hang on the ledger's own tables (`queueing.schema`): a row of `poster_item` goes with its item. `poster`
and `poster_kept` say what lies in the folder, so they outlive the batches that brought it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from medialift.queueing.schema import metadata

ACTIONS = ("download", "upload", "restore")

poster_server = Table(
    "poster_server",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("server", Text, nullable=False, comment="The id that the server gives itself"),
    Column("name", Text, nullable=False, server_default=""),
    comment="Whose items a collection names: the same id means something else on another server",
)

poster_batch = Table(
    "poster_batch",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("collection", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("selection", JSONB, nullable=False, server_default="{}", comment="What was asked for"),
    Column("options", JSONB, nullable=False, server_default="{}", comment="How it is to be done"),
    Column("who", Text, nullable=False, server_default=""),
    Column("created", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("cancelled", DateTime(timezone=True)),
    CheckConstraint(f"action in {ACTIONS}", name="action"),
    comment="What a person began: many pictures, one action",
)
Index("poster_batch_newest", poster_batch.c.collection, poster_batch.c.id)

poster_item = Table(
    "poster_item",
    metadata,
    Column("item_id", BigInteger, ForeignKey("item.id", ondelete="CASCADE"), primary_key=True),
    Column("batch_id", BigInteger, ForeignKey("poster_batch.id", ondelete="CASCADE"), nullable=False),
    Column("jellyfin_id", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("kind", Text, nullable=False, server_default="", comment="Movie, Series …"),
    Column("replaced", Text, comment="Hash of what the server had before; empty: none"),
    comment="Which picture an item of the queue is about",
)
Index("poster_item_batch", poster_item.c.batch_id, poster_item.c.item_id)
Index("poster_item_jellyfin", poster_item.c.jellyfin_id)

poster = Table(
    "poster",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("jellyfin_id", Text, primary_key=True),
    Column("image", Text, primary_key=True),
    Column("tag", Text, nullable=False, server_default="", comment="Jellyfin's mark of this version"),
    Column("sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("format", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("path", Text, nullable=False, comment="Below the folder of posters"),
    Column("changed", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="Pictures that were downloaded, as they were then",
)

poster_kept = Table(
    "poster_kept",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("jellyfin_id", Text, primary_key=True),
    Column("image", Text, primary_key=True),
    Column("sha256", Text, primary_key=True, comment="Empty: there was no picture"),
    Column("size", BigInteger, nullable=False, server_default="0"),
    Column("format", Text, nullable=False, server_default=""),
    Column("path", Text, nullable=False, server_default="", comment="Below the folder of posters"),
    Column("first_kept", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("last_kept", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("batch_id", BigInteger, comment="The batch that replaced it last"),
    comment="Pictures of the server that were replaced, each kept before: none is ever lost",
)

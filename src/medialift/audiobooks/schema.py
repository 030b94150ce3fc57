"""The tables of audiobooks in the ledger: what each attempt came to, what remains to be done after one, and
what was taken over from an older program's figures.

They hang on the ledger's own tables (`queueing.schema`). A run outlives its item: it keeps the key of its
book, not the number of an item.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
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

STAGES = ("convert", "tag", "deliver")
OUTCOMES = ("done", "again", "failed", "person")
TASKS = ("complete", "put_aside", "tell")

audiobook_run = Table(
    "audiobook_run",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("collection", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("stage", Text, nullable=False),
    Column("key", Text, nullable=False, comment="The book's path in the inbox, or its folder in converted"),
    Column("name", Text, nullable=False, server_default="", comment="Its folder in converted"),
    Column("outcome", Text, nullable=False),
    Column("how", Text, nullable=False, server_default="", comment="encode, splice, pass_through"),
    Column("attempt", Integer, nullable=False, server_default="1"),
    Column("seconds", Double, nullable=False, server_default="0", comment="How long it took"),
    Column("played", Double, nullable=False, server_default="0", comment="How long the book plays, seconds"),
    Column("bytes", BigInteger, nullable=False, server_default="0", comment="Of its sources"),
    Column("error_kind", Text, nullable=False, server_default=""),
    Column("error_text", Text, nullable=False, server_default=""),
    Column("worker", Text, nullable=False, server_default=""),
    Column("imported", Boolean, nullable=False, server_default="false"),
    Column("token", BigInteger, comment="Of the attempt's lease: no attempt is counted twice"),
    CheckConstraint(f"stage in {STAGES}", name="stage"),
    CheckConstraint(f"outcome in {OUTCOMES}", name="outcome"),
    comment="Each attempt that ended, of each stage of each book: what all figures are made of",
)
Index("audiobook_run_stage", audiobook_run.c.collection, audiobook_run.c.stage, audiobook_run.c.id)
Index("audiobook_run_at", audiobook_run.c.collection, audiobook_run.c.at, audiobook_run.c.id)
Index("audiobook_run_key", audiobook_run.c.collection, audiobook_run.c.key, audiobook_run.c.id)
Index(
    "audiobook_run_token",
    audiobook_run.c.token,
    unique=True,
    postgresql_where=audiobook_run.c.token.is_not(None),
)

audiobook_todo = Table(
    "audiobook_todo",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("collection", Text, nullable=False),
    Column("item_id", BigInteger, ForeignKey("item.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("what", Text, nullable=False),
    Column("detail", JSONB, nullable=False, server_default="{}"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("not_before", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("error_text", Text, nullable=False, server_default=""),
    CheckConstraint(f"what in {TASKS}", name="what"),
    comment="What is to be done since an attempt ended: written with its end, so no crash forgets it",
)

audiobook_import = Table(
    "audiobook_import",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("digest", Text, primary_key=True, comment="Of the file: one is never counted twice"),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("totals", JSONB, nullable=False, comment="What its single conversions do not account for"),
    comment="Figures taken over from a metrics.json",
)

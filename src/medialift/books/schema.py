"""The tables of books in the ledger: what content is on a server, which ebook is which, what became of files.

They hang on the ledger's own tables (`queueing.schema`): a row of `book_file` goes with its item. Rows of
`content` and `ebook` say what is on a server, so they outlive the items that put it there.
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
    Index,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from medialift.queueing.schema import metadata

FILE_STATES = ("pending", "uploaded", "there", "skipped", "failed")
STEPS = ("", "claimed", "sent", "described", "attached")

content = Table(
    "content",
    metadata,
    Column("server", Text, primary_key=True),
    Column("sha1", Text, primary_key=True),
    Column("size", BigInteger, primary_key=True),
    Column("state", Text, nullable=False),
    Column("item_id", BigInteger, comment="Whose claim it is, or who brought it"),
    Column("token", BigInteger, comment="The fencing token of that item's lease"),
    Column("source_id", BigInteger),
    Column("ebook_id", BigInteger),
    Column("origin", Text, nullable=False, server_default="ours"),
    Column("changed", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("state in ('claimed', 'present')", name="state"),
    CheckConstraint("origin in ('ours', 'server')", name="origin"),
    comment="Content by its hash and size: claimed before it is uploaded, present when it is on the server",
)

ebook = Table(
    "ebook",
    metadata,
    Column("server", Text, primary_key=True),
    Column("identity", Text, primary_key=True, comment="Hash of a title and the last name of one author"),
    Column("state", Text, nullable=False),
    Column("item_id", BigInteger),
    Column("token", BigInteger),
    Column("ebook_id", BigInteger, comment="While it is claimed: the highest number known before"),
    Column("made", Boolean, nullable=False, server_default="false", comment="We made it, by this item"),
    Column("changed", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint("state in ('claimed', 'present')", name="state"),
    comment="Ebooks by title and author: claimed while one is looked for or made, present when it is known",
)
Index("ebook_number", ebook.c.server, ebook.c.ebook_id)
Index("ebook_item", ebook.c.item_id)

book_file = Table(
    "book_file",
    metadata,
    Column("item_id", BigInteger, ForeignKey("item.id", ondelete="CASCADE"), primary_key=True),
    Column("format", Text, primary_key=True, comment="As Calibre writes it: EPUB"),
    Column("path", Text, nullable=False, server_default=""),
    Column("size", BigInteger, nullable=False, server_default="0"),
    Column("mtime_ns", BigInteger),
    Column("sha1", Text),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("step", Text, nullable=False, server_default=""),
    Column("upload_name", Text),
    Column("server_file", Text, comment="tmpXXXX/name: where the server keeps the upload"),
    Column("upload_mark", BigInteger, comment="Highest number of an upload known before ours was described"),
    Column("upload_id", BigInteger),
    Column("source_id", BigInteger),
    Column("ebook_id", BigInteger),
    Column("seconds", Double, comment="How long its upload took: slow ones are listed"),
    Column("reason", Text),
    Column("error_kind", Text),
    Column("changed", DateTime(timezone=True), nullable=False, server_default=func.now()),
    CheckConstraint(f"state in {FILE_STATES}", name="state"),
    CheckConstraint(f"step in {STEPS}", name="step"),
    comment="Each file of each book: how far its upload came, and what became of it",
    postgresql_with={"fillfactor": 70},
)
Index("book_file_reason", book_file.c.error_kind, postgresql_where=text("error_kind is not null"))
Index("book_file_slow", book_file.c.seconds, postgresql_where=text("seconds > 120"))
Index("book_file_ebook", book_file.c.ebook_id, postgresql_where=text("ebook_id is not null"))

learnt = Table(
    "learnt",
    metadata,
    Column("server", Text, primary_key=True),
    Column("source_mark", BigInteger, nullable=False, server_default="0"),
    Column("created_mark", Text, nullable=False, server_default=""),
    Column("upload_mark", BigInteger, nullable=False, server_default="0"),
    Column("at", DateTime(timezone=True)),
    Column("files_since", BigInteger, nullable=False, server_default="0"),
    comment="How far what a server has was learnt",
)

book_server = Table(
    "book_server",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("server", Text, nullable=False),
    comment="The one name under which all workers of a collection know its server, whatever they call it",
)

plan_mark = Table(
    "plan_mark",
    metadata,
    Column("collection", Text, primary_key=True),
    Column("selection", Text, primary_key=True, comment="Digest of the subset that was planned"),
    Column("mark", JSONB, nullable=False, server_default="{}"),
    Column("planned", DateTime(timezone=True), nullable=False, server_default=func.now()),
    comment="What the library looked like when it was planned last",
)

"""The tables of books: content, ebooks, files, what was learnt of a server, and what was planned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _words(name: str, *, default: str | None = None, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default, comment=comment)


def _number(name: str, *, default: str | None = None, comment: str | None = None) -> sa.Column[int]:
    nullable = default is None
    return sa.Column(name, sa.BigInteger, nullable=nullable, server_default=default, comment=comment)


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _one_of(*allowed: str) -> str:
    return "({})".format(", ".join(f"'{one}'" for one in allowed))


def upgrade() -> None:
    _content_and_ebooks()
    _files()
    op.create_table(
        "learnt",
        _words("server"),
        _number("source_mark", default="0"),
        _words("created_mark", default=""),
        _number("upload_mark", default="0"),
        sa.Column("at", sa.DateTime(timezone=True)),
        _number("files_since", default="0"),
        sa.PrimaryKeyConstraint("server", name="learnt_pk"),
        comment="How far what a server has was learnt",
    )
    op.create_table(
        "book_server",
        _words("collection"),
        _words("server"),
        sa.PrimaryKeyConstraint("collection", name="book_server_pk"),
        comment="The one name under which all workers of a collection know its server, whatever they call it",
    )
    op.create_table(
        "plan_mark",
        _words("collection"),
        _words("selection", comment="Digest of the subset that was planned"),
        sa.Column("mark", JSONB, nullable=False, server_default="{}"),
        _moment("planned"),
        sa.PrimaryKeyConstraint("collection", "selection", name="plan_mark_pk"),
        comment="What the library looked like when it was planned last",
    )


def _content_and_ebooks() -> None:
    op.create_table(
        "content",
        _words("server"),
        _words("sha1"),
        sa.Column("size", sa.BigInteger, nullable=False),
        _words("state"),
        _number("item_id", comment="Whose claim it is, or who brought it"),
        _number("token", comment="The fencing token of that item's lease"),
        _number("source_id"),
        _number("ebook_id"),
        _words("origin", default="ours"),
        _moment("changed"),
        sa.PrimaryKeyConstraint("server", "sha1", "size", name="content_pk"),
        sa.CheckConstraint(f"state in {_one_of('claimed', 'present')}", name=op.f("content_state")),
        sa.CheckConstraint(f"origin in {_one_of('ours', 'server')}", name=op.f("content_origin")),
        comment="Content by its hash and size: claimed before it is uploaded, present when it is on the "
        "server",
    )
    op.create_table(
        "ebook",
        _words("server"),
        _words("identity", comment="Hash of a title and the last name of one author"),
        _words("state"),
        _number("item_id"),
        _number("token"),
        _number("ebook_id", comment="While it is claimed: the highest number known before"),
        sa.Column(
            "made",
            sa.Boolean,
            nullable=False,
            server_default="false",
            comment="We made it, by this item",
        ),
        _moment("changed"),
        sa.PrimaryKeyConstraint("server", "identity", name="ebook_pk"),
        sa.CheckConstraint(f"state in {_one_of('claimed', 'present')}", name=op.f("ebook_state")),
        comment="Ebooks by title and author: claimed while one is looked for or made, present when it is "
        "known",
    )
    op.create_index("ebook_number", "ebook", ["server", "ebook_id"])
    # Each book that ends without an upload asks for the ebooks that it made.
    op.create_index("ebook_item", "ebook", ["item_id"])


def _files() -> None:
    states = _one_of("pending", "uploaded", "there", "skipped", "failed")
    steps = _one_of("", "claimed", "sent", "described", "attached")
    op.create_table(
        "book_file",
        sa.Column("item_id", sa.BigInteger, nullable=False),
        _words("format", comment="As Calibre writes it: EPUB"),
        _words("path", default=""),
        _number("size", default="0"),
        _number("mtime_ns"),
        sa.Column("sha1", sa.Text),
        _words("state", default="pending"),
        _words("step", default=""),
        sa.Column("upload_name", sa.Text),
        sa.Column("server_file", sa.Text, comment="tmpXXXX/name: where the server keeps the upload"),
        _number("upload_mark", comment="Highest number of an upload known before ours was described"),
        _number("upload_id"),
        _number("source_id"),
        _number("ebook_id"),
        sa.Column("seconds", sa.Double, comment="How long its upload took: slow ones are listed"),
        sa.Column("reason", sa.Text),
        sa.Column("error_kind", sa.Text),
        _moment("changed"),
        sa.PrimaryKeyConstraint("item_id", "format", name="book_file_pk"),
        sa.ForeignKeyConstraint(
            ["item_id"], ["item.id"], name="book_file_item_id_of_item", ondelete="CASCADE"
        ),
        sa.CheckConstraint(f"state in {states}", name=op.f("book_file_state")),
        sa.CheckConstraint(f"step in {steps}", name=op.f("book_file_step")),
        comment="Each file of each book: how far its upload came, and what became of it",
        postgresql_with={"fillfactor": 70},
    )
    for name, column in (("book_file_reason", "error_kind"), ("book_file_ebook", "ebook_id")):
        there = sa.text(f"{column} is not null")
        op.create_index(name, "book_file", [column], postgresql_where=there)
    op.create_index("book_file_slow", "book_file", ["seconds"], postgresql_where=sa.text("seconds > 120"))


def downgrade() -> None:
    for name in ("plan_mark", "book_server", "learnt", "book_file", "ebook", "content"):
        op.drop_table(name)

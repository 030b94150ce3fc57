"""The tables of audiobooks: what each attempt came to, what remains to be done, what was taken over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _words(name: str, *, default: str | None = None, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default, comment=comment)


def _count(name: str, *, default: str = "0") -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=default)


def _seconds(name: str, *, comment: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=False, server_default="0", comment=comment)


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _one_of(*allowed: str) -> str:
    return "({})".format(", ".join(f"'{one}'" for one in allowed))


def upgrade() -> None:
    op.create_table(
        "audiobook_run",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True)),
        _words("collection"),
        _moment("at"),
        _words("stage"),
        _words("key", comment="The book's path in the inbox, or its folder in converted"),
        _words("name", default="", comment="Its folder in converted"),
        _words("outcome"),
        _words("how", default="", comment="encode, splice, pass_through"),
        _count("attempt", default="1"),
        _seconds("seconds", comment="How long it took"),
        _seconds("played", comment="How long the book plays, seconds"),
        sa.Column("bytes", sa.BigInteger, nullable=False, server_default="0", comment="Of its sources"),
        _words("error_kind", default=""),
        _words("error_text", default=""),
        _words("worker", default=""),
        sa.Column("imported", sa.Boolean, nullable=False, server_default="false"),
        sa.Column("token", sa.BigInteger, comment="Of the attempt's lease: no attempt is counted twice"),
        sa.PrimaryKeyConstraint("id", name="audiobook_run_pk"),
        sa.CheckConstraint(
            f"stage in {_one_of('convert', 'tag', 'deliver')}", name=op.f("audiobook_run_stage")
        ),
        sa.CheckConstraint(
            f"outcome in {_one_of('done', 'again', 'failed', 'person')}", name=op.f("audiobook_run_outcome")
        ),
        comment="Each attempt that ended, of each stage of each book: what all figures are made of",
    )
    op.create_index("audiobook_run_stage", "audiobook_run", ["collection", "stage", "id"])
    counted = sa.text("token is not null")
    op.create_index("audiobook_run_token", "audiobook_run", ["token"], unique=True, postgresql_where=counted)
    op.create_table(
        "audiobook_todo",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True)),
        _words("collection"),
        sa.Column("item_id", sa.BigInteger, nullable=False),
        _words("what"),
        sa.Column("detail", JSONB, nullable=False, server_default="{}"),
        _count("tries"),
        _moment("not_before"),
        _words("error_text", default=""),
        sa.PrimaryKeyConstraint("id", name="audiobook_todo_pk"),
        sa.ForeignKeyConstraint(
            ["item_id"], ["item.id"], name="audiobook_todo_item_id_of_item", ondelete="CASCADE"
        ),
        sa.CheckConstraint(
            f"what in {_one_of('complete', 'put_aside', 'tell')}", name=op.f("audiobook_todo_what")
        ),
        comment="What is to be done since an attempt ended: written with its end, so no crash forgets it",
    )
    op.create_index("audiobook_todo_item_id", "audiobook_todo", ["item_id"])
    op.create_table(
        "audiobook_import",
        _words("collection"),
        _words("digest", comment="Of the file: one is never counted twice"),
        _moment("at"),
        sa.Column("totals", JSONB, nullable=False, comment="What its single conversions do not account for"),
        sa.PrimaryKeyConstraint("collection", "digest", name="audiobook_import_pk"),
        comment="Figures taken over from a metrics.json",
    )


def downgrade() -> None:
    for name in ("audiobook_import", "audiobook_todo", "audiobook_run"):
        op.drop_table(name)

"""The tables of posters: batches of downloads and uploads, what lies here, what was kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def _words(name: str, *, default: str | None = None, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default, comment=comment)


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _json(name: str, *, comment: str) -> sa.Column[object]:
    return sa.Column(name, JSONB, nullable=False, server_default="{}", comment=comment)


def upgrade() -> None:
    op.create_table(
        "poster_server",
        _words("collection"),
        _words("server", comment="The id that the server gives itself"),
        _words("name", default=""),
        sa.PrimaryKeyConstraint("collection", name="poster_server_pk"),
        comment="Whose items a collection names: the same id means something else on another server",
    )
    op.create_table(
        "poster_batch",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True)),
        _words("collection"),
        _words("action"),
        _words("image"),
        _json("selection", comment="What was asked for"),
        _json("options", comment="How it is to be done"),
        _words("who", default=""),
        _moment("created"),
        sa.Column("cancelled", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="poster_batch_pk"),
        sa.CheckConstraint("action in ('download', 'upload', 'restore')", name=op.f("poster_batch_action")),
        comment="What a person began: many pictures, one action",
    )
    op.create_index("poster_batch_newest", "poster_batch", ["collection", "id"])
    op.create_table(
        "poster_item",
        sa.Column("item_id", sa.BigInteger, nullable=False),
        sa.Column("batch_id", sa.BigInteger, nullable=False),
        _words("jellyfin_id"),
        _words("name", default=""),
        _words("kind", default="", comment="Movie, Series …"),
        sa.Column("replaced", sa.Text, comment="Hash of what the server had before; empty: none"),
        sa.PrimaryKeyConstraint("item_id", name="poster_item_pk"),
        sa.ForeignKeyConstraint(
            ["item_id"], ["item.id"], name="poster_item_item_id_of_item", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["poster_batch.id"], name="poster_item_batch_id_of_poster_batch", ondelete="CASCADE"
        ),
        comment="Which picture an item of the queue is about",
    )
    op.create_index("poster_item_batch", "poster_item", ["batch_id", "item_id"])
    op.create_index("poster_item_jellyfin", "poster_item", ["jellyfin_id"])
    op.create_table(
        "poster",
        _words("collection"),
        _words("jellyfin_id"),
        _words("image"),
        _words("tag", default="", comment="Jellyfin's mark of this version"),
        _words("sha256"),
        sa.Column("size", sa.BigInteger, nullable=False),
        _words("format"),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        _words("path", comment="Below the folder of posters"),
        _moment("changed"),
        sa.PrimaryKeyConstraint("collection", "jellyfin_id", "image", name="poster_pk"),
        comment="Pictures that were downloaded, as they were then",
    )
    op.create_table(
        "poster_kept",
        _words("collection"),
        _words("jellyfin_id"),
        _words("image"),
        _words("sha256", comment="Empty: there was no picture"),
        sa.Column("size", sa.BigInteger, nullable=False, server_default="0"),
        _words("format", default=""),
        _words("path", default="", comment="Below the folder of posters"),
        _moment("first_kept"),
        _moment("last_kept"),
        sa.Column("batch_id", sa.BigInteger, comment="The batch that replaced it last"),
        sa.PrimaryKeyConstraint("collection", "jellyfin_id", "image", "sha256", name="poster_kept_pk"),
        comment="Pictures of the server that were replaced, each kept before: none is ever lost",
    )


def downgrade() -> None:
    for name in ("poster_kept", "poster", "poster_item", "poster_batch", "poster_server"):
        op.drop_table(name)

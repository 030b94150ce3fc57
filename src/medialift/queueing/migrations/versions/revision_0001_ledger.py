"""The ledger: items, attempts, workers, progress, rates, events, control, and the sequence of tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Written out rather than taken from schema.py: a revision stays what it was when the tables change later.
# tests/unit/queueing/test_database.py asserts that all revisions together make what schema.py says.


def _moment(name: str, *, now: bool = False, nullable: bool = False) -> sa.Column[object]:
    default = sa.func.now() if now else None
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, server_default=default)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


def _words(name: str, *, default: str | None = None, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default, comment=comment)


def _whether(name: str, *, comment: str | None = None) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default="false", comment=comment)


def upgrade() -> None:
    op.execute(sa.schema.CreateSequence(sa.Sequence("claim_token")))
    _items()
    _workers()
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True)),
        _moment("at", now=True),
        _words("who"),
        _words("what"),
        _words("subject", default=""),
        sa.Column("before", JSONB),
        sa.Column("after", JSONB),
        sa.PrimaryKeyConstraint("id", name="event_pk"),
        comment="Who changed what by hand, and what the supervisor did",
    )
    op.create_index("event_at", "event", ["at"])
    op.create_table(
        "control",
        _words("pipeline"),
        _words("collection"),
        _whether("paused"),
        _words("paused_why", default=""),
        _words("hours", default="", comment="22:00-06:30; empty: always"),
        _whether("closed", comment="Outside of its hours now"),
        sa.Column("bandwidth", sa.BigInteger, comment="Bytes a second of all workers together; 0: no limit"),
        sa.Column("batch", sa.Integer),
        sa.Column("parallel", sa.SmallInteger),
        _moment("changed", now=True),
        sa.PrimaryKeyConstraint("pipeline", "collection", name="control_pk"),
        comment="How a pipeline is to run; what is null is as the worker's settings say",
    )


def _items() -> None:
    op.create_table(
        "item",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True)),
        _words("pipeline"),
        _words("collection"),
        _words("key"),
        _words("state", default="ready"),
        _count("priority"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        _moment("not_before", now=True),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_token", sa.BigInteger),
        _moment("lease_until", nullable=True),
        _whether("cancel"),
        sa.Column("weight", sa.Integer, nullable=False, server_default="1"),
        _count("bytes"),
        sa.Column("fingerprint", sa.Text),
        sa.Column("payload", JSONB, nullable=False, server_default="{}"),
        sa.Column("error_kind", sa.Text),
        sa.Column("error_text", sa.Text),
        sa.Column("result", JSONB),
        _moment("created", now=True),
        _moment("changed", now=True),
        sa.PrimaryKeyConstraint("id", name="item_pk"),
        sa.UniqueConstraint("pipeline", "collection", "key", name="item_pipeline_collection_key_once"),
        sa.CheckConstraint(
            "state in ('ready', 'leased', 'done', 'skipped', 'failed', 'paused', 'cancelled')",
            name=op.f("item_state"),
        ),
        postgresql_with={"fillfactor": 80},
    )
    queue = ["pipeline", "collection"]
    op.create_index(
        "item_ready",
        "item",
        [*queue, sa.text("priority desc"), "id"],
        postgresql_where=sa.text("state = 'ready'"),
    )
    op.create_index("item_leased", "item", ["lease_until"], postgresql_where=sa.text("state = 'leased'"))
    op.create_index("item_failed", "item", queue, postgresql_where=sa.text("state = 'failed'"))
    op.create_table(
        "attempt",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True)),
        sa.Column("item_id", sa.BigInteger, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("worker", sa.Text),
        _moment("started", nullable=True),
        _moment("ended", now=True),
        _words("outcome"),
        sa.Column("error_kind", sa.Text),
        sa.Column("error_text", sa.Text),
        sa.PrimaryKeyConstraint("id", name="attempt_pk"),
        sa.ForeignKeyConstraint(["item_id"], ["item.id"], name="attempt_item_id_of_item", ondelete="CASCADE"),
        comment="One row per attempt that did not succeed the first time: 'again', 'failed', 'lost' (its "
        "worker said nothing more), and 'done' or 'skipped' after one of those",
    )
    op.create_index("attempt_item_id", "attempt", ["item_id"])


def _workers() -> None:
    op.create_table(
        "worker",
        _words("name"),
        _words("host"),
        _words("pipeline"),
        _words("collection"),
        sa.Column("pid", sa.Integer, nullable=False),
        _words("life", comment="Tells one start of this worker from a later one"),
        _words("phase", default=""),
        _words("state", default="running"),
        _words("paused_why", default=""),
        _moment("started", now=True),
        _moment("heartbeat", now=True),
        _moment("last_progress", nullable=True),
        sa.Column("current_item", sa.BigInteger),
        _whether("drain", comment="Somebody asked it to end"),
        sa.Column("settings", JSONB, nullable=False, server_default="{}"),
        sa.PrimaryKeyConstraint("name", name="worker_pk"),
        sa.CheckConstraint("state in ('running', 'draining', 'paused', 'gone')", name=op.f("worker_state")),
    )
    op.create_table(
        "progress",
        _words("worker"),
        _moment("at", now=True),
        *map(_count, ("items", "files", "bytes", "rows_read", "slow")),
        sa.PrimaryKeyConstraint("worker", name="progress_pk"),
        sa.ForeignKeyConstraint(
            ["worker"], ["worker.name"], name="progress_worker_of_worker", ondelete="CASCADE"
        ),
        comment="What each worker did since it started; written every few seconds at most",
    )
    op.create_table(
        "rate",
        _words("pipeline"),
        _words("collection"),
        _moment("minute"),
        *map(_count, ("items", "files", "bytes", "slow")),
        sa.PrimaryKeyConstraint("pipeline", "collection", "minute", name="rate_pk"),
        comment="What all workers did in each minute",
    )


def downgrade() -> None:
    for table in ("control", "event", "rate", "progress", "worker", "attempt", "item"):
        op.drop_table(table)
    op.execute(sa.schema.DropSequence(sa.Sequence("claim_token")))

"""The tables of the healing, and what it has to know of workers: since when, and how their lives ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _words(name: str, *, default: str | None = None, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default, comment=comment)


def _count(name: str, *, comment: str | None = None) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0", comment=comment)


def _whether(name: str, *, comment: str | None = None) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default="false", comment=comment)


def _moment(name: str, *, comment: str | None = None) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now(), comment=comment
    )


def _perhaps(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True))


def _one_of(*allowed: str) -> str:
    return "({})".format(", ".join(f"'{one}'" for one in allowed))


def upgrade() -> None:
    _workers()
    _care()
    _history()


def _workers() -> None:
    op.add_column("worker", _moment("phase_since"))
    op.add_column(
        "worker",
        _moment(
            "free_since",
            comment="Since when it is in this state and reaches the ledger without a gap",
        ),
    )
    op.add_column(
        "worker",
        sa.Column(
            "work_since",
            sa.DateTime(timezone=True),
            comment="Since when each sign of life found work: an item that it holds, or one that waits",
        ),
    )
    op.add_column(
        "worker",
        _whether(
            "told_to_end",
            comment="It ends, or has ended, because it was told to or has done all that it should",
        ),
    )
    op.add_column("control", _moment("turned", comment="When it last began or ended to rest"))
    op.add_column(
        "progress",
        sa.Column(
            "moved",
            sa.BigInteger,
            nullable=False,
            server_default="0",
            comment="Bytes read and sent, also of files that are not done yet: a large one takes long",
        ),
    )
    op.create_table(
        "worker_start",
        _words("worker"),
        _words("life"),
        _moment("at"),
        _whether("told_to_end"),
        _whether("progressed"),
        sa.PrimaryKeyConstraint("worker", "life", name="worker_start_pk"),
        sa.ForeignKeyConstraint(
            ["worker"], ["worker.name"], name="worker_start_worker_of_worker", ondelete="CASCADE"
        ),
        comment="The lives of each worker; how one ended and whether it did anything is known at the next",
    )


def _care() -> None:
    op.create_table(
        "care",
        *map(_words, ("worker", "host", "pipeline", "collection")),
        _count("attempts", comment="Remedies that did not help"),
        _count(
            "recovered_from",
            comment="The attempts that had failed before it recovered: should it not last, they count again",
        ),
        _words("state", default="well"),
        _words("remedy", default=""),
        _perhaps("remedied"),
        sa.Column("progress_before", JSONB, nullable=False, server_default="[]"),
        _words("life_before", default=""),
        _words("cause", default=""),
        _words("paused_why", default=""),
        sa.Column("decision", JSONB, nullable=False, server_default="{}"),
        sa.Column(
            "settings", JSONB, nullable=False, server_default="{}", comment="What was set for it alone"
        ),
        _words("release", default="", comment="The release that it tries; empty: the common one"),
        _moment("changed"),
        sa.PrimaryKeyConstraint("worker", name="care_pk"),
        sa.CheckConstraint(
            f"state in {_one_of('well', 'verifying', 'ill', 'paused')}", name=op.f("care_state")
        ),
        comment="How the healing stands with each worker that it ever did something to",
    )
    op.create_table(
        "crew_size",
        _words("host"),
        _words("pipeline"),
        sa.Column("desired", sa.Integer, nullable=False),
        _perhaps("down_at"),
        _perhaps("up_at"),
        _words("why", default=""),
        sa.PrimaryKeyConstraint("host", "pipeline", name="crew_size_pk"),
        comment="How many workers are to run where, and when that was changed last",
    )


def _history() -> None:
    kinds = _one_of(
        "finding", "decision", "remedy", "verification", "escalation", "release", "scaling", "code_fix"
    )
    op.create_table(
        "finding",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True)),
        _moment("at"),
        _words("host"),
        _words("pipeline", default=""),
        _words("worker", default=""),
        _words("what"),
        _words("outcome", default=""),
        _words("subject", default=""),
        sa.Column("detail", JSONB, nullable=False, server_default="{}"),
        sa.PrimaryKeyConstraint("id", name="finding_pk"),
        sa.CheckConstraint(f"what in {kinds}", name=op.f("finding_what")),
        comment="The history of the healing: what it found, decided, did, and what came of it",
    )
    op.create_index("finding_at", "finding", ["at"])
    op.create_index("finding_worker", "finding", ["worker", "id"])
    op.create_table(
        "healer",
        _words("host"),
        _moment("at"),
        _count("workers"),
        _count("stuck"),
        _words("why", default="", comment="Why the last round did nothing"),
        sa.PrimaryKeyConstraint("host", name="healer_pk"),
        comment="The last round of each host's healing: whoever watches the watcher looks here",
    )
    op.create_table(
        "model_usage",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False, server_default="0"),
        _count("asked"),
        sa.PrimaryKeyConstraint("day", name="model_usage_pk"),
        comment="What the language model took on each day (UTC)",
    )


def downgrade() -> None:
    for table in ("model_usage", "healer", "finding", "crew_size", "care", "worker_start"):
        op.drop_table(table)
    op.drop_column("progress", "moved")
    op.drop_column("control", "turned")
    for column in ("told_to_end", "work_since", "free_since", "phase_since"):
        op.drop_column("worker", column)

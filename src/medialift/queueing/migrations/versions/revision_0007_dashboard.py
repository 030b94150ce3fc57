"""What the dashboard lists and shows: indexes for its lists, bursts with their journals, states of mounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _words(name: str, *, default: str | None = "", comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default, comment=comment)


def _moment(name: str, *, comment: str | None = None) -> sa.Column[object]:
    return sa.Column(
        name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now(), comment=comment
    )


def upgrade() -> None:
    # None is written when an item is claimed: the first when it ends, the second when it is to be tried again
    # later, the third when it waits for a person.
    op.create_index(
        "item_ended",
        "item",
        ["pipeline", "collection", "state", "changed", "id"],
        postgresql_where=sa.text("state in ('done', 'skipped', 'failed', 'cancelled', 'paused')"),
    )
    op.create_index(
        "item_again",
        "item",
        ["pipeline", "collection", "not_before", "id"],
        postgresql_where=sa.text("state = 'ready' and not_before > created"),
    )
    op.create_index(
        "item_person",
        "item",
        ["pipeline", "collection", "changed", "id"],
        postgresql_where=sa.text("state = 'skipped' and result ? 'waits_for'"),
    )
    # Of one item all that was done by hand, of one book all that was tried.
    op.create_index("event_subject", "event", ["subject", "id"])
    op.create_index("audiobook_run_key", "audiobook_run", ["collection", "key", "id"])
    op.create_index("audiobook_run_at", "audiobook_run", ["collection", "at", "id"])
    op.create_table(
        "burst",
        sa.Column("id", sa.Text),
        _words("library"),
        _words("mode"),
        _words("zone"),
        _words("phase"),
        _words("progress", comment="What the phase said last"),
        _words("outcome", comment="ok or failed; empty while it goes on"),
        _moment("started"),
        sa.Column("ended", sa.DateTime(timezone=True)),
        _moment("changed"),
        sa.Column("cost_eur", sa.Double),
        sa.Column("budget_eur", sa.Double),
        sa.Column("instance", JSONB),
        sa.Column("report", JSONB, comment="As medialift.plex.report has it; null before there is one"),
        sa.Column("sections", JSONB),
        sa.PrimaryKeyConstraint("id", name="burst_pk"),
        sa.CheckConstraint("outcome in ('', 'ok', 'failed')", name=op.f("burst_outcome")),
        comment="Each burst of Plex, as its controller and the timer at home told of it",
    )
    op.create_index("burst_started", "burst", ["started", "id"])
    op.create_table(
        "burst_entry",
        sa.Column("burst", sa.Text, nullable=False),
        _words("journal", default=None, comment="Whose: controller or home; each counts its own lines"),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _words("phase", default=None),
        _words("event", default=None),
        sa.Column("outcome", sa.Text),
        sa.Column("seconds", sa.Double),
        sa.Column("data", JSONB, nullable=False, server_default="{}"),
        sa.PrimaryKeyConstraint("burst", "journal", "number", name="burst_entry_pk"),
        sa.ForeignKeyConstraint(
            ["burst"], ["burst.id"], name="burst_entry_burst_of_burst", ondelete="CASCADE"
        ),
        comment="The lines of a burst's journals",
    )
    op.create_index("burst_entry_at", "burst_entry", ["burst", "at", "journal", "number"])
    op.create_table(
        "mount_state",
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("point", sa.Text, nullable=False),
        _words("name"),
        _words("state", default=None),
        _moment("since", comment="Since when it is in this state"),
        _moment("at", comment="When it was looked at last"),
        sa.Column("detail", JSONB, nullable=False, server_default="{}"),
        sa.PrimaryKeyConstraint("host", "point", name="mount_state_pk"),
        comment="How each host's monitored mounts stand, as their monitors published it last",
    )
    op.create_table(
        "worker_minute",
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        _words("state", default=None),
        sa.PrimaryKeyConstraint("worker", "minute", name="worker_minute_pk"),
        sa.ForeignKeyConstraint(
            ["worker"], ["worker.name"], name="worker_minute_worker_of_worker", ondelete="CASCADE"
        ),
        comment="The minutes in which each worker gave a sign of life, of one day",
    )


def downgrade() -> None:
    for name in ("worker_minute", "mount_state", "burst_entry", "burst"):
        op.drop_table(name)
    op.drop_index("audiobook_run_at", "audiobook_run")
    op.drop_index("audiobook_run_key", "audiobook_run")
    op.drop_index("event_subject", "event")
    op.drop_index("item_person", "item")
    op.drop_index("item_again", "item")
    op.drop_index("item_ended", "item")

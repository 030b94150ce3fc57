"""What persons ask of workers on other hosts, which the healing there does."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "worker_request",
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False, server_default=""),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("asked", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column(
            "refused",
            sa.Text,
            nullable=False,
            server_default="",
            comment="Why it could not be done; empty: it is still to be done",
        ),
        sa.PrimaryKeyConstraint("worker", name="worker_request_pk"),
        sa.CheckConstraint("what in ('pause', 'release')", name="worker_request_what"),
        comment="What persons ask of workers elsewhere; the healing of the host does it in its next round",
    )


def downgrade() -> None:
    op.drop_table("worker_request")

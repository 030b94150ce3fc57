"""The switch of the batch debug log, which workers on all hosts look at, and what they recorded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _words(name: str, *, default: str | None = None, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default, comment=comment)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


def upgrade() -> None:
    op.create_table(
        "debug_switch",
        _words("pipeline", comment="Its scope; empty: all pipelines"),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        _words("who"),
        sa.Column("changed", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("pipeline", name="debug_switch_pk"),
        comment="Until when the HTTP traffic of jobs is recorded",
    )
    op.create_table(
        "traffic_record",
        _words("host"),
        _words("name", comment="Of the file on that host"),
        _words("job"),
        _words("pipeline", default=""),
        _words("worker", default=""),
        _words("label", default=""),
        _words("state"),
        sa.Column("started", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=False),
        _count("requests"),
        _count("failed"),
        sa.Column("size", sa.Integer, nullable=False, server_default="0", comment="Bytes of the document"),
        sa.Column("document", sa.LargeBinary, nullable=False, comment="JSON, compressed by zlib"),
        sa.PrimaryKeyConstraint("host", "name", name="traffic_record_pk"),
        comment="Records of jobs' HTTP traffic, of all hosts: small, and kept for a few days",
    )
    op.create_index("traffic_record_job", "traffic_record", ["job"])
    op.create_index("traffic_record_started", "traffic_record", ["started"])


def downgrade() -> None:
    op.drop_table("traffic_record")
    op.drop_table("debug_switch")

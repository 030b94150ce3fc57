"""What the dashboard lists and shows: indexes for its lists, bursts with their journals, states of mounts."""

from __future__ import annotations

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass

"""What Alembic runs: the revisions, in the connection and the transaction that the caller gives."""

from __future__ import annotations

from alembic import context

from medialift.queueing.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="medialift_revision",
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()

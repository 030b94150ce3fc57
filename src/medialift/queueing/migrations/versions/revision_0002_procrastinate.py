"""Procrastinate's own schema, as its pinned version brings it: its `schema --apply` cannot be run twice."""

from __future__ import annotations

from hashlib import sha256

from alembic import op
from procrastinate.schema import SchemaManager

from medialift.errors import Permanent

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

VERSION = "3.10.0"
# A newer Procrastinate with another schema needs a revision of its own, made of its migration files.
SHA256 = "c70ec4b400a60ad9592787653aae5ae77ae41bf801d56b5bd2712751a07f2009"


def upgrade() -> None:
    schema = SchemaManager.get_schema()
    if sha256(schema.encode()).hexdigest() != SHA256:
        raise Permanent(
            "The schema of the installed Procrastinate is not the one that this revision was made for",
            f"procrastinate {VERSION}",
            f"Install procrastinate=={VERSION}, or add a revision for the new schema",
        )
    # Many statements in one text: only a plain cursor without parameters takes them.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None  # noqa: S101 - the revision runs in an open connection
    driver.execute(schema)


def downgrade() -> None:
    op.execute(
        "drop table procrastinate_events, procrastinate_periodic_defers, procrastinate_jobs,"
        " procrastinate_workers cascade"
    )
    op.execute(
        "do $$ declare one record; begin"
        " for one in select oid::regprocedure as name from pg_proc where proname like 'procrastinate\\_%'"
        " and pronamespace = current_schema()::regnamespace loop"
        " execute 'drop function ' || one.name || ' cascade'; end loop; end $$"
    )
    op.execute(
        "drop type procrastinate_job_to_defer_v1, procrastinate_job_status, procrastinate_job_event_type"
    )

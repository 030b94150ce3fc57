"""Who may use the dashboard: people, tokens, sessions, failed logins."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_SCOPES = "('read', 'act', 'admin')"


def _words(name: str, *, default: str | None = None, comment: str | None = None) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default, comment=comment)


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _perhaps(name: str, *, comment: str | None = None) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), comment=comment)


def _hash(*, comment: str) -> sa.Column[bytes]:
    return sa.Column("hash", sa.LargeBinary, nullable=False, comment=comment)


def upgrade() -> None:
    op.create_table(
        "person",
        _words("name"),
        _words("password", comment="Hashed by argon2id"),
        _words("scope", default="read"),
        sa.Column("disabled", sa.Boolean, nullable=False, server_default="false"),
        _moment("created"),
        _moment("changed"),
        sa.PrimaryKeyConstraint("name", name="person_pk"),
        sa.CheckConstraint(f"scope in {_SCOPES}", name=op.f("person_scope")),
        comment="Who may log in to the dashboard",
    )
    op.create_table(
        "access_token",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True)),
        _words("name"),
        sa.Column("person", sa.Text, comment="Whose it is: it can do no more than they; null: nobody's"),
        _hash(comment="SHA-256 of the token"),
        _words("scope", default="read"),
        _moment("created"),
        _perhaps("expires", comment="null: never"),
        _perhaps("used", comment="To the minute"),
        sa.PrimaryKeyConstraint("id", name="access_token_pk"),
        sa.UniqueConstraint("name", name="access_token_name_once"),
        sa.UniqueConstraint("hash", name="access_token_hash_once"),
        sa.ForeignKeyConstraint(
            ["person"], ["person.name"], name="access_token_person_of_person", ondelete="CASCADE"
        ),
        sa.CheckConstraint(f"scope in {_SCOPES}", name=op.f("access_token_scope")),
        comment="What programs show instead of a password",
    )
    op.create_index("access_token_person", "access_token", ["person"])
    op.create_table(
        "browser_session",
        _hash(comment="SHA-256 of the cookie's value"),
        _words("person"),
        _words("csrf", comment="What each form of this session has to bring back"),
        _moment("created"),
        _moment("seen"),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        _words("address", default=""),
        _words("agent", default="", comment="The browser, in its own words"),
        sa.PrimaryKeyConstraint("hash", name="browser_session_pk"),
        sa.ForeignKeyConstraint(
            ["person"], ["person.name"], name="browser_session_person_of_person", ondelete="CASCADE"
        ),
        comment="Browsers that somebody logged in with",
    )
    op.create_index("browser_session_person", "browser_session", ["person"])
    op.create_table(
        "login_failure",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True)),
        _moment("at"),
        _words("name"),
        _words("address"),
        sa.PrimaryKeyConstraint("id", name="login_failure_pk"),
        comment="Logins that failed a short while ago: too many, and no more are taken",
    )
    op.create_index("login_failure_name", "login_failure", ["name", "at"])
    op.create_index("login_failure_address", "login_failure", ["address", "at"])
    # The audit is read by what was done, the newest first, and is never made shorter.
    op.create_index("event_what", "event", ["what", "id"])


def downgrade() -> None:
    op.drop_index("event_what", "event")
    for name in ("login_failure", "browser_session", "access_token", "person"):
        op.drop_table(name)

"""The tables of the ledger. The migrations make them; everything else reads their columns from here."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_once",
        "ck": "%(table_name)s_%(constraint_name)s",
        "fk": "%(table_name)s_%(column_0_N_name)s_of_%(referred_table_name)s",
        "pk": "%(table_name)s_pk",
    }
)

ITEM_STATES = ("ready", "leased", "done", "skipped", "failed", "paused", "cancelled")
FINISHED_STATES = ("done", "skipped", "failed", "cancelled")
WORKER_STATES = ("running", "draining", "paused", "gone")
CARE_STATES = ("well", "verifying", "ill", "paused")
SCOPES = ("read", "act", "admin")
FINDING_KINDS = (
    "finding",
    "decision",
    "remedy",
    "verification",
    "escalation",
    "release",
    "scaling",
    "code_fix",
)

claim_token = Sequence("claim_token", metadata=metadata)
"""Where fencing tokens come from: each claim takes the next one, so a later holder has a higher token."""


def _moment(name: str, *, now: bool = False, nullable: bool = False) -> Column[object]:
    return Column(
        name, DateTime(timezone=True), nullable=nullable, server_default=func.now() if now else None
    )


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


item = Table(
    "item",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("pipeline", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="ready"),
    Column("priority", BigInteger, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    _moment("not_before", now=True),
    Column("lease_owner", Text),
    # Kept when the lease ended: whoever finished it may ask again whether its own finish went through.
    Column("lease_token", BigInteger),
    _moment("lease_until", nullable=True),
    Column("cancel", Boolean, nullable=False, server_default="false"),
    Column("weight", Integer, nullable=False, server_default="1"),
    _count("bytes"),
    Column("fingerprint", Text),
    Column("payload", JSONB, nullable=False, server_default="{}"),
    Column("error_kind", Text),
    Column("error_text", Text),
    Column("result", JSONB),
    _moment("created", now=True),
    _moment("changed", now=True),
    UniqueConstraint("pipeline", "collection", "key"),
    CheckConstraint(f"state in {ITEM_STATES}", name="state"),
    # Room on each page for the new version of a row: an item is written four times in its life.
    postgresql_with={"fillfactor": 80},
)
Index(
    "item_ready",
    item.c.pipeline,
    item.c.collection,
    item.c.priority.desc(),
    item.c.id,
    postgresql_where=text("state = 'ready'"),
)
Index("item_leased", item.c.lease_until, postgresql_where=text("state = 'leased'"))
Index("item_failed", item.c.pipeline, item.c.collection, postgresql_where=text("state = 'failed'"))
# Of what the dashboard lists: none is written when an item is claimed.
Index(
    "item_ended",
    item.c.pipeline,
    item.c.collection,
    item.c.state,
    item.c.changed,
    item.c.id,
    postgresql_where=text("state in ('done', 'skipped', 'failed', 'cancelled', 'paused')"),
)
Index(
    "item_again",
    item.c.pipeline,
    item.c.collection,
    item.c.not_before,
    item.c.id,
    postgresql_where=text("state = 'ready' and not_before > created"),
)
Index(
    "item_person",
    item.c.pipeline,
    item.c.collection,
    item.c.changed,
    item.c.id,
    postgresql_where=text("state = 'skipped' and result ? 'waits_for'"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("item_id", BigInteger, ForeignKey("item.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("worker", Text),
    _moment("started", nullable=True),
    _moment("ended", now=True),
    Column("outcome", Text, nullable=False),
    Column("error_kind", Text),
    Column("error_text", Text),
    comment="One row per attempt that did not succeed the first time: 'again', 'failed', 'lost' (its worker "
    "said nothing more), and 'done' or 'skipped' after one of those",
)

worker = Table(
    "worker",
    metadata,
    Column("name", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("life", Text, nullable=False, comment="Tells one start of this worker from a later one"),
    Column("phase", Text, nullable=False, server_default=""),
    _moment("phase_since", now=True),
    Column("state", Text, nullable=False, server_default="running"),
    Column(
        "free_since",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.now(),
        comment="Since when it is in this state and reaches the ledger without a gap",
    ),
    Column(
        "work_since",
        DateTime(timezone=True),
        comment="Since when each sign of life found work: an item that it holds, or one that waits",
    ),
    Column("paused_why", Text, nullable=False, server_default=""),
    _moment("started", now=True),
    _moment("heartbeat", now=True),
    _moment("last_progress", nullable=True),
    Column("current_item", BigInteger),
    Column("drain", Boolean, nullable=False, server_default="false", comment="Somebody asked it to end"),
    Column(
        "told_to_end",
        Boolean,
        nullable=False,
        server_default="false",
        comment="It ends, or has ended, because it was told to or has done all that it should",
    ),
    Column("settings", JSONB, nullable=False, server_default="{}"),
    CheckConstraint(f"state in {WORKER_STATES}", name="state"),
)

worker_start = Table(
    "worker_start",
    metadata,
    Column("worker", Text, ForeignKey("worker.name", ondelete="CASCADE"), primary_key=True),
    Column("life", Text, primary_key=True),
    _moment("at", now=True),
    Column("told_to_end", Boolean, nullable=False, server_default="false"),
    Column("progressed", Boolean, nullable=False, server_default="false"),
    comment="The lives of each worker; how one ended and whether it did anything is known at the next",
)

worker_minute = Table(
    "worker_minute",
    metadata,
    Column("worker", Text, ForeignKey("worker.name", ondelete="CASCADE"), primary_key=True),
    Column("minute", DateTime(timezone=True), primary_key=True),
    Column("state", Text, nullable=False),
    comment="The minutes in which each worker gave a sign of life, of one day",
)

progress = Table(
    "progress",
    metadata,
    Column("worker", Text, ForeignKey("worker.name", ondelete="CASCADE"), primary_key=True),
    _moment("at", now=True),
    _count("items"),
    _count("files"),
    _count("bytes"),
    _count("rows_read"),
    _count("slow"),
    Column(
        "moved",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="Bytes read and sent, also of files that are not done yet: a large one takes long",
    ),
    comment="What each worker did since it started; written every few seconds at most",
)

rate = Table(
    "rate",
    metadata,
    Column("pipeline", Text, primary_key=True),
    Column("collection", Text, primary_key=True),
    Column("minute", DateTime(timezone=True), primary_key=True),
    _count("items"),
    _count("files"),
    _count("bytes"),
    _count("slow"),
    comment="What all workers did in each minute",
)

event = Table(
    "event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _moment("at", now=True),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("subject", Text, nullable=False, server_default=""),
    Column("before", JSONB),
    Column("after", JSONB),
    comment="Who changed what by hand, and what the supervisor did",
)
Index("event_at", event.c.at)
Index("event_subject", event.c.subject, event.c.id)
Index("event_what", event.c.what, event.c.id)

control = Table(
    "control",
    metadata,
    Column("pipeline", Text, primary_key=True),
    Column("collection", Text, primary_key=True),
    Column("paused", Boolean, nullable=False, server_default="false"),
    Column("paused_why", Text, nullable=False, server_default=""),
    Column("hours", Text, nullable=False, server_default="", comment="22:00-06:30; empty: always"),
    Column("closed", Boolean, nullable=False, server_default="false", comment="Outside of its hours now"),
    Column("bandwidth", BigInteger, comment="Bytes a second of all workers together; 0: no limit"),
    Column("batch", Integer),
    Column("parallel", SmallInteger),
    _moment("changed", now=True),
    Column(
        "turned",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.now(),
        comment="When it last began or ended to rest",
    ),
    comment="How a pipeline is to run; what is null is as the worker's settings say",
)

care = Table(
    "care",
    metadata,
    # No key of another table: a worker that is paused for long is forgotten there, and stays paused.
    Column("worker", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("pipeline", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0", comment="Remedies that did not help"),
    Column(
        "recovered_from",
        Integer,
        nullable=False,
        server_default="0",
        comment="The attempts that had failed before it recovered: should it not last, they count again",
    ),
    Column("state", Text, nullable=False, server_default="well"),
    Column("remedy", Text, nullable=False, server_default=""),
    _moment("remedied", nullable=True),
    Column("progress_before", JSONB, nullable=False, server_default="[]"),
    Column("life_before", Text, nullable=False, server_default=""),
    Column("cause", Text, nullable=False, server_default=""),
    Column("paused_why", Text, nullable=False, server_default=""),
    Column("decision", JSONB, nullable=False, server_default="{}"),
    Column(
        "settings",
        JSONB,
        nullable=False,
        server_default="{}",
        comment="What was set for it alone",
    ),
    Column(
        "release",
        Text,
        nullable=False,
        server_default="",
        comment="The release that it tries; empty: the common one",
    ),
    _moment("changed", now=True),
    CheckConstraint(f"state in {CARE_STATES}", name="state"),
    comment="How the healing stands with each worker that it ever did something to",
)

crew_size = Table(
    "crew_size",
    metadata,
    Column("host", Text, primary_key=True),
    Column("pipeline", Text, primary_key=True),
    Column("desired", Integer, nullable=False),
    _moment("down_at", nullable=True),
    _moment("up_at", nullable=True),
    Column("why", Text, nullable=False, server_default=""),
    comment="How many workers are to run where, and when that was changed last",
)

finding = Table(
    "finding",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _moment("at", now=True),
    Column("host", Text, nullable=False),
    Column("pipeline", Text, nullable=False, server_default=""),
    Column("worker", Text, nullable=False, server_default=""),
    Column("what", Text, nullable=False),
    Column("outcome", Text, nullable=False, server_default=""),
    Column("subject", Text, nullable=False, server_default=""),
    Column("detail", JSONB, nullable=False, server_default="{}"),
    CheckConstraint(f"what in {FINDING_KINDS}", name="what"),
    comment="The history of the healing: what it found, decided, did, and what came of it",
)
Index("finding_at", finding.c.at)
Index("finding_worker", finding.c.worker, finding.c.id)

healer = Table(
    "healer",
    metadata,
    Column("host", Text, primary_key=True),
    _moment("at", now=True),
    Column("workers", Integer, nullable=False, server_default="0"),
    Column("stuck", Integer, nullable=False, server_default="0"),
    Column("why", Text, nullable=False, server_default="", comment="Why the last round did nothing"),
    comment="The last round of each host's healing: whoever watches the watcher looks here",
)

model_usage = Table(
    "model_usage",
    metadata,
    Column("day", Date, primary_key=True),
    _count("tokens"),
    Column("asked", Integer, nullable=False, server_default="0"),
    comment="What the language model took on each day (UTC)",
)

# Who may use the dashboard.

person = Table(
    "person",
    metadata,
    Column("name", Text, primary_key=True),
    Column("password", Text, nullable=False, comment="Hashed by argon2id"),
    Column("scope", Text, nullable=False, server_default="read"),
    Column("disabled", Boolean, nullable=False, server_default="false"),
    _moment("created", now=True),
    _moment("changed", now=True),
    CheckConstraint(f"scope in {SCOPES}", name="scope"),
    comment="Who may log in to the dashboard",
)

access_token = Table(
    "access_token",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column(
        "person",
        Text,
        ForeignKey("person.name", ondelete="CASCADE"),
        comment="Whose it is: it can do no more than they; null: nobody's",
    ),
    Column("hash", LargeBinary, nullable=False, comment="SHA-256 of the token"),
    Column("scope", Text, nullable=False, server_default="read"),
    _moment("created", now=True),
    Column("expires", DateTime(timezone=True), comment="null: never"),
    Column("used", DateTime(timezone=True), comment="To the minute"),
    UniqueConstraint("name"),
    UniqueConstraint("hash"),
    CheckConstraint(f"scope in {SCOPES}", name="scope"),
    comment="What programs show instead of a password",
)
Index("access_token_person", access_token.c.person)

browser_session = Table(
    "browser_session",
    metadata,
    Column("hash", LargeBinary, primary_key=True, comment="SHA-256 of the cookie's value"),
    Column("person", Text, ForeignKey("person.name", ondelete="CASCADE"), nullable=False),
    Column("csrf", Text, nullable=False, comment="What each form of this session has to bring back"),
    _moment("created", now=True),
    _moment("seen", now=True),
    _moment("expires"),
    Column("address", Text, nullable=False, server_default=""),
    Column("agent", Text, nullable=False, server_default="", comment="The browser, in its own words"),
    comment="Browsers that somebody logged in with",
)
Index("browser_session_person", browser_session.c.person)

login_failure = Table(
    "login_failure",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _moment("at", now=True),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    comment="Logins that failed a short while ago: too many, and no more are taken",
)
Index("login_failure_name", login_failure.c.name, login_failure.c.at)
Index("login_failure_address", login_failure.c.address, login_failure.c.at)

burst = Table(
    "burst",
    metadata,
    Column("id", Text, primary_key=True),
    Column("library", Text, nullable=False, server_default=""),
    Column("mode", Text, nullable=False, server_default=""),
    Column("zone", Text, nullable=False, server_default=""),
    Column("phase", Text, nullable=False, server_default=""),
    Column("progress", Text, nullable=False, server_default="", comment="What the phase said last"),
    Column(
        "outcome", Text, nullable=False, server_default="", comment="ok or failed; empty while it goes on"
    ),
    _moment("started", now=True),
    _moment("ended", nullable=True),
    _moment("changed", now=True),
    Column("cost_eur", Double),
    Column("budget_eur", Double),
    Column("instance", JSONB),
    Column("report", JSONB, comment="As medialift.plex.report has it; null before there is one"),
    Column("sections", JSONB),
    CheckConstraint("outcome in ('', 'ok', 'failed')", name="outcome"),
    comment="Each burst of Plex, as its controller and the timer at home told of it",
)
Index("burst_started", burst.c.started, burst.c.id)

burst_entry = Table(
    "burst_entry",
    metadata,
    Column("burst", Text, ForeignKey("burst.id", ondelete="CASCADE"), primary_key=True),
    Column(
        "journal",
        Text,
        primary_key=True,
        comment="Whose: controller or home; each counts its own lines",
    ),
    Column("number", Integer, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("phase", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("outcome", Text),
    Column("seconds", Double),
    Column("data", JSONB, nullable=False, server_default="{}"),
    comment="The lines of a burst's journals",
)
Index("burst_entry_at", burst_entry.c.burst, burst_entry.c.at, burst_entry.c.journal, burst_entry.c.number)

mount_state = Table(
    "mount_state",
    metadata,
    Column("host", Text, primary_key=True),
    Column("point", Text, primary_key=True),
    Column("name", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False),
    Column(
        "since",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.now(),
        comment="Since when it is in this state",
    ),
    Column(
        "at",
        DateTime(timezone=True),
        nullable=False,
        server_default=func.now(),
        comment="When it was looked at last",
    ),
    Column("detail", JSONB, nullable=False, server_default="{}"),
    comment="How each host's monitored mounts stand, as their monitors published it last",
)

worker_request = Table(
    "worker_request",
    metadata,
    Column("worker", Text, primary_key=True),
    Column("host", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("why", Text, nullable=False, server_default=""),
    Column("who", Text, nullable=False),
    _moment("asked", now=True),
    Column(
        "refused",
        Text,
        nullable=False,
        server_default="",
        comment="Why it could not be done; empty: it is still to be done",
    ),
    CheckConstraint("what in ('pause', 'release')", name="what"),
    comment="What persons ask of workers elsewhere; the healing of the host does it in its next round",
)

debug_switch = Table(
    "debug_switch",
    metadata,
    Column("pipeline", Text, primary_key=True, comment="Its scope; empty: all pipelines"),
    _moment("until"),
    Column("who", Text, nullable=False),
    _moment("changed", now=True),
    comment="Until when the HTTP traffic of jobs is recorded",
)

traffic_record = Table(
    "traffic_record",
    metadata,
    Column("host", Text, primary_key=True),
    Column("name", Text, primary_key=True, comment="Of the file on that host"),
    Column("job", Text, nullable=False, index=True),
    Column("pipeline", Text, nullable=False, server_default=""),
    Column("worker", Text, nullable=False, server_default=""),
    Column("label", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False),
    Column("started", DateTime(timezone=True), nullable=False, index=True),
    _moment("ended"),
    Column("requests", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("size", Integer, nullable=False, server_default="0", comment="Bytes of the document"),
    Column("document", LargeBinary, nullable=False, comment="JSON, compressed by zlib"),
    comment="Records of jobs' HTTP traffic, of all hosts: small, and kept for a few days",
)

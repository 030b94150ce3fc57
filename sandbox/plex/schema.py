"""The shape of Plex's two databases, in both trigger generations, written as column lists.

Facts: the columns of a library made by PMS 1.41 (2025-04) and what 1.43.4.10903 added to it. Names, order
and types are Plex's own, since code under test reads them; the statements are made here.

Only `connect_as_plex` can write titles: collation `icu_root` and tokenizer `collating` live in Plex's own
SQLite, so any other connection meets the same failures as on a real library.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Triggers = Literal["old", "new"]

LIBRARY = "com.plexapp.plugins.library.db"
BLOBS = "com.plexapp.plugins.library.blobs.db"

OLD_VERSION = "1.41.6.9685-d301f511a"
NEW_VERSION = "1.43.4.10903-2f8b9b1b5"

ICU = "collating 'root@colStrength=primary;colAlternate=shifted'"

TYPES = {
    "i": "integer",
    "l": "integer(8)",
    "c": "integer(8) DEFAULT 0",
    "z": "integer DEFAULT 0",
    "t": "dt_integer(8)",
    "s": "varchar(255)",
    "n": "varchar(255) COLLATE NOCASE",
    "x": "text",
    "b": "boolean",
    "y": "boolean DEFAULT 't'",
    "o": "boolean DEFAULT 0",
    "f": "float",
    "B": "blob",
}

# Every column is `name:type`; the primary key `id` is added in front.
TABLES = {
    "media_parts": (
        "media_item_id:i directory_id:i hash:s open_subtitle_hash:s file:s index:i size:l duration:i "
        "created_at:t updated_at:t deleted_at:t extra_data:s"
    ),
    "library_sections": (
        "library_id:i name:s name_sort:n section_type:i language:s agent:s scanner:s user_thumb_url:s "
        "user_art_url:s user_theme_music_url:s public:b created_at:t updated_at:t scanned_at:t "
        "display_secondary_level:b user_fields:s query_xml:x query_type:i uuid:s changed_at:c "
        "content_changed_at:c"
    ),
    "section_locations": (
        "library_section_id:i root_path:s available:y scanned_at:t created_at:t updated_at:t"
    ),
    "directories": (
        "library_section_id:i parent_directory_id:i path:s created_at:t updated_at:t deleted_at:t"
    ),
    "stream_types": "name:s",
    "metadata_item_views": (
        "account_id:i guid:s metadata_type:i library_section_id:i grandparent_title:s parent_index:i "
        "parent_title:s index:i title:s thumb_url:s viewed_at:t grandparent_guid:s "
        "originally_available_at:t device_id:i"
    ),
    "media_metadata_mappings": "media_guid:s metadata_guid:s created_at:t updated_at:t",
    "plugins": "identifier:s framework_version:i access_count:i installed_at:t accessed_at:t modified_at:t",
    "plugin_prefixes": (
        "plugin_id:i name:s prefix:s art_url:s thumb_url:s titlebar_url:s share:b has_store_services:b "
        "prefs:b"
    ),
    "tags": (
        "metadata_item_id:i tag:n tag_type:i user_thumb_url:s user_art_url:s user_music_url:s "
        "created_at:t updated_at:t tag_value:i extra_data:s key:s parent_id:i"
    ),
    "taggings": (
        "metadata_item_id:i tag_id:i index:i text:s time_offset:i end_time_offset:i thumb_url:s "
        "created_at:t extra_data:s"
    ),
    "metadata_relations": (
        "metadata_item_id:i related_metadata_item_id:i relation_type:i created_at:t updated_at:t"
    ),
    "view_settings": (
        "account_id:i client_type:s view_group:s view_id:i sort_id:i sort_asc:b created_at:t updated_at:t"
    ),
    "library_section_permissions": "library_section_id:i account_id:i permission:i",
    "plugin_permissions": "plugin_id:i account_id:i permission:i",
    "metadata_item_settings": (
        "account_id:i guid:s rating:f view_offset:i view_count:i last_viewed_at:t created_at:t "
        "updated_at:t skip_count:z last_skipped_at:t changed_at:c extra_data:s last_rated_at:t"
    ),
    "library_timeline_entries": "library_section_id:i metadata_item_id:i state:i updated_at:t",
    "accounts": (
        "name:s hashed_password:s salt:s created_at:t updated_at:t default_audio_language:s "
        "default_subtitle_language:s auto_select_subtitle:y auto_select_audio:y"
    ),
    "media_item_settings": "account_id:i media_item_id:i settings:s created_at:t updated_at:t",
    "media_part_settings": (
        "account_id:i media_part_id:i selected_audio_stream_id:i selected_subtitle_stream_id:i settings:s "
        "created_at:t updated_at:t changed_at:c"
    ),
    "media_streams": (
        "stream_type_id:i media_item_id:i url:s codec:s language:s created_at:t updated_at:t index:i "
        "media_part_id:i channels:i bitrate:i url_index:i default:o forced:o extra_data:s"
    ),
    "media_items": (
        "library_section_id:i section_location_id:i metadata_item_id:i type_id:i width:i height:i size:l "
        "duration:i bitrate:i container:s video_codec:s audio_codec:s display_aspect_ratio:f "
        "frames_per_second:f audio_channels:i interlaced:b source:s hints:s display_offset:i settings:s "
        "created_at:t updated_at:t optimized_for_streaming:b deleted_at:t media_analysis_version:z "
        "sample_aspect_ratio:f extra_data:s proxy_type:i channel_id:i begins_at:t ends_at:t color_trc:s"
    ),
    "metadata_items": (
        "library_section_id:i parent_id:i metadata_type:i guid:s media_item_count:i title:s title_sort:n "
        "original_title:s studio:s rating:f rating_count:i tagline:s summary:x trivia:x quotes:x "
        "content_rating:s content_rating_age:i index:i absolute_index:i duration:i user_thumb_url:s "
        "user_art_url:s user_banner_url:s user_music_url:s user_fields:s tags_genre:s tags_collection:s "
        "tags_director:s tags_writer:s tags_star:s originally_available_at:t available_at:t expires_at:t "
        "refreshed_at:t year:i added_at:t created_at:t updated_at:t deleted_at:t tags_country:s "
        "extra_data:s hash:s audience_rating:f changed_at:c resources_changed_at:c remote:i "
        "edition_title:s slug:s user_clear_logo_url:s"
    ),
    "play_queue_items": "play_queue_id:i metadata_item_id:i order:f up_next:b play_queue_generator_id:i",
    "play_queues": (
        "client_identifier:s account_id:i playlist_id:i sync_item_id:i play_queue_generator_id:i "
        "generator_start_index:i generator_end_index:i generator_items_count:i generator_ids:B seed:i "
        "current_play_queue_item_id:i last_added_play_queue_item_id:i version:i created_at:t updated_at:t "
        "metadata_type:i total_items_count:i generator_generator_ids:B extra_data:s"
    ),
    "play_queue_generators": (
        "playlist_id:i metadata_item_id:i uri:s limit:i continuous:b order:f created_at:t updated_at:t "
        "changed_at:c recursive:b type:i extra_data:s"
    ),
    "metadata_item_accounts": "account_id:i metadata_item_id:i",
    "versioned_metadata_items": (
        "metadata_item_id:i generator_id:i target_tag_id:i state:i state_context:i selected_media_id:i "
        "version_media_id:i media_decision:i file_size:l"
    ),
    "preferences": "name:s value:s",
    "devices": "identifier:s name:s created_at:t updated_at:t platform:s",
    "statistics_bandwidth": "account_id:i device_id:i timespan:i at:t lan:b bytes:l",
    "statistics_media": "account_id:i device_id:i timespan:i at:t metadata_type:i count:i duration:i",
    "statistics_resources": (
        "timespan:i at:t host_cpu_utilization:f process_cpu_utilization:f host_memory_utilization:f "
        "process_memory_utilization:f"
    ),
    "spellfix_metadata_titles_vocab": "rank:i langid:i word:x k1:x k2:x",
    "spellfix_tag_titles_vocab": "rank:i langid:i word:x k1:x k2:x",
    "media_provider_resources": (
        "parent_id:i type:i status:i state:i identifier:s protocol:s uri:s uuid:s extra_data:s "
        "last_seen_at:t created_at:t updated_at:t data:B"
    ),
    "media_subscriptions": (
        "order:f metadata_type:i target_metadata_item_id:i target_library_section_id:i "
        "target_section_location_id:i extra_data:s created_at:t updated_at:t"
    ),
    "media_grabs": (
        "uuid:s status:i error:i metadata_item_id:i media_subscription_id:i extra_data:s created_at:t "
        "updated_at:t"
    ),
    "metadata_item_clusters": (
        "zoom_level:i library_section_id:i title:s count:i starts_at:t ends_at:t extra_data:s"
    ),
    "metadata_item_clusterings": (
        "metadata_item_id:i metadata_item_cluster_id:i index:i version:i "
        ">metadata_item_cluster_id=metadata_item_clusters >metadata_item_id=metadata_items"
    ),
    "locatables": (
        "location_id:i locatable_id:i locatable_type:s created_at:t updated_at:t extra_data:s "
        "geocoding_version:i"
    ),
    "location_places": "location_id:i guid:s",
    "blobs": "blob:B linked_type:s linked_id:i linked_guid:s created_at:t blob_type:i",
    "external_metadata_sources": "uri:s source_title:s user_title:s online:i",
    "external_metadata_items": (
        "external_metadata_source_id:i library_section_id:i metadata_type:i guid:s title:s parent_title:s "
        "year:i added_at:i updated_at:i extra_data:s "
        ">external_metadata_source_id=external_metadata_sources"
    ),
    "media_stream_settings": "account_id:i media_stream_id:i extra_data:s created_at:t updated_at:t",
    "metadata_subscription_desired_items": "sub_id:i remote_id:s",
    "remote_id_translation": "type:i local_id:i remote_id:s",
    "hub_templates": (
        "section:s identifier:s title:s home_visibility:i recommended_visibility:i order:f extra_data:s"
    ),
    "activities": (
        "parent_id:i type:s title:s subtitle:s scheduled_at:t started_at:t finished_at:t cancelled:b "
        ">parent_id=activities"
    ),
    "metadata_item_setting_markers": (
        "marker_type:i metadata_item_setting_id:i start_time_offset:i end_time_offset:i title:s "
        "created_at:l updated_at:l extra_data:s >metadata_item_setting_id=metadata_item_settings"
    ),
    "custom_channels": (
        "name:s description:s playlist_id:i start_time:t ordering:i visibility:i displayed_on:i "
        "content_rating:s"
    ),
    "metadata_agent_providers": (
        "identifier:s title:s uri:s agent_type:i metadata_types:s online:b created_at:t updated_at:t "
        "extra_data:s"
    ),
    "download_queues": "owner:i client_identifier:s extra_data:s",
    "download_queue_items": (
        "queue_id:i key:s order:i status:i decision_params:s error:s decision_result:s metadata_item_id:i "
        "media_part_id:i expiration:t extra_data:s"
    ),
}

# What PMS 1.43 added.
NEW_COLUMNS = {
    "metadata_items": "is_adult:b metadata_agent_provider_group_id:i user_square_art_url:s",
    "library_sections": "metadata_agent_provider_group_id:i",
}
NEW_TABLES = {
    "metadata_agent_provider_groups": "title:s metadata_type:i created_at:t updated_at:t extra_data:s",
    "metadata_agent_provider_group_items": (
        "metadata_agent_provider_group_id:i metadata_agent_provider_id:i order:f created_at:t updated_at:t"
    ),
}

# `table column[,column]`; a leading ! makes it unique. Names follow Plex's index_<table>_on_<columns>.
INDEXES = """
media_parts directory_id|media_parts media_item_id|media_parts hash|media_parts file|media_parts deleted_at
media_parts size|library_sections name|library_sections name_sort|library_sections changed_at
metadata_item_views guid|metadata_item_views library_section_id|metadata_item_views viewed_at
metadata_item_views grandparent_guid|tags tag|tags tag_type|tags key|tags parent_id|tags tag_type,tag
taggings metadata_item_id|taggings tag_id|metadata_relations metadata_item_id
metadata_relations related_metadata_item_id|metadata_item_settings account_id|metadata_item_settings guid
metadata_item_settings view_count|metadata_item_settings view_offset|metadata_item_settings rating
metadata_item_settings last_viewed_at|metadata_item_settings changed_at
library_timeline_entries library_section_id|library_timeline_entries metadata_item_id|accounts name
media_item_settings media_item_id|media_part_settings account_id|media_part_settings media_part_id
directories path|directories deleted_at|directories parent_directory_id|media_streams media_part_id
media_streams media_item_id|media_streams language|media_items library_section_id|media_items metadata_item_id
media_items deleted_at|media_items media_analysis_version|media_items channel_id
metadata_items library_section_id|metadata_items parent_id|metadata_items created_at|metadata_items index
metadata_items title|metadata_items title_sort|metadata_items guid|metadata_items metadata_type
metadata_items deleted_at|metadata_items hash|metadata_items added_at|metadata_items original_title
metadata_items originally_available_at|metadata_items changed_at|metadata_items resources_changed_at
metadata_items absolute_index|metadata_items remote|metadata_items edition_title|metadata_items slug
metadata_items library_section_id,metadata_type,added_at|play_queue_items play_queue_id
play_queue_items metadata_item_id|play_queues account_id|play_queues playlist_id
!play_queues client_identifier,account_id,metadata_type|play_queue_generators playlist_id
metadata_item_accounts metadata_item_id|!preferences name|devices identifier
spellfix_metadata_titles_vocab langid,k2|spellfix_tag_titles_vocab langid,k2
!locatables location_id,locatable_id,locatable_type|!location_places location_id,guid|blobs linked_type
!blobs linked_type,linked_id,blob_type|!blobs linked_type,linked_guid,blob_type
!external_metadata_sources uri|!media_stream_settings media_stream_id,account_id
statistics_bandwidth at|statistics_bandwidth account_id,timespan,at|statistics_media at
statistics_resources at|hub_templates section,home_visibility|activities parent_id|activities started_at
metadata_item_setting_markers metadata_item_setting_id|!metadata_agent_providers identifier
download_queues owner|download_queue_items queue_id|remote_id_translation local_id
""".replace("\n", "|")

# (table, full-text table, its columns, what an update must touch for newer triggers to fire, newer WHEN)
FULL_TEXT = (
    ("metadata_items", "fts4_metadata_titles_icu", "title, title_sort, original_title", ""),
    ("tags", "fts4_tag_titles_icu", "tag", "new.tag_type in (0,1,2,4,6,207,400)"),
)
NEWER_UPDATE_OF = {"metadata_items": "title, title_sort, original_title", "tags": "tag, tag_type"}

MIGRATIONS_OLD = 440
MIGRATIONS_NEW = 447


@dataclass(frozen=True)
class Generation:
    """What one build of Plex expects of a database."""

    triggers: Triggers
    migrations: int

    @property
    def newest(self) -> str:
        """The greatest `schema_migrations.version` this build knows."""
        return migration(self.migrations - 1)


GENERATIONS: dict[Triggers, Generation] = {
    "old": Generation("old", MIGRATIONS_OLD),
    "new": Generation("new", MIGRATIONS_NEW),
}


def generation_of(version: str) -> Generation:
    """The generation that a PMS version such as `1.43.4.10903-2f8b9b1b5` brings."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return GENERATIONS["new" if (major, minor) >= (1, 43) else "old"]


def migration(number: int) -> str:
    """Name of migration `number`: a timestamp, one about every fortnight since the end of 2008."""
    moment = time.gmtime(1229299200 + number * 14 * 86400 - number * 3 * 3600)
    return time.strftime("%Y%m%d%H%M%S", moment)


def connect_as_plex(path: str | Path) -> sqlite3.Connection:
    """Open a database as Plex itself would: with its collation, its tokenizer, and in WAL mode.

    Never to be used on a real library: it would poison the ICU index and the full-text tables.

    Raises:
        RuntimeError: this interpreter's SQLite lacks SQLITE_ENABLE_FTS3_TOKENIZER.
    """
    con = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        teach_plex(con)
        con.execute("PRAGMA journal_mode=WAL")
        con.execute("PRAGMA synchronous=NORMAL")
    except sqlite3.Error:
        con.close()
        raise
    return con


def teach_plex(con: sqlite3.Connection) -> None:
    """Give a connection the collation and the tokenizer that only Plex's own SQLite has."""
    con.create_collation("icu_root", _collate)
    try:
        con.execute("SELECT fts3_tokenizer('collating', fts3_tokenizer('porter'))")
    except sqlite3.OperationalError as missing:
        raise RuntimeError(
            "This Python's SQLite was built without SQLITE_ENABLE_FTS3_TOKENIZER: "
            "use one that is linked with Debian's libsqlite3."
        ) from missing


def _collate(left: str, right: str) -> int:
    a, b = left.casefold(), right.casefold()
    return (a > b) - (a < b)


def create_library(path: str | Path, triggers: Triggers = "new", version: str | None = None) -> Path:
    """Make an empty library database at `path`, as a first start of Plex would.

    Args:
        triggers: the generation of triggers, columns and migrations; `version` decides instead when given.
        version: a PMS version, e.g. `1.43.4.10903-2f8b9b1b5`.
    """
    generation = generation_of(version) if version else GENERATIONS[triggers]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    con = sqlite3.connect(path, isolation_level=None)
    try:
        con.execute("PRAGMA page_size=1024")
        teach_plex(con)
        con.execute("BEGIN")
        _create_tables(con)
        _create_full_text(con)
        _create_triggers(con, "old")
        _record_migrations(con, 0, MIGRATIONS_OLD)
        if generation.triggers == "new":
            _upgrade_to_new(con)
        con.executemany(
            "INSERT INTO stream_types(id, name) VALUES(?, ?)", [(1, "Video"), (2, "Audio"), (3, "Subtitle")]
        )
        con.execute("INSERT INTO accounts(id, name, created_at, updated_at) VALUES(1, '', 0, 0)")
        con.execute("COMMIT")
        con.execute("PRAGMA journal_mode=WAL")
    finally:
        con.close()
    return path


def create_blobs(path: str | Path, triggers: Triggers = "new", version: str | None = None) -> Path:
    """Make an empty blobs database: Plex gives it the very same schema and fills only `blobs`."""
    return create_library(path, triggers, version)


def upgrade(con: sqlite3.Connection, generation: Generation) -> bool:
    """Bring an older database up to `generation`, as Plex does at its start. True when it changed.

    Raises:
        ValueError: the database was written by a newer build; Plex refuses such a one.
    """
    newest = newest_migration(con)
    if newest > generation.newest:
        raise ValueError(f"Database has schema {newest}, this build knows {generation.newest}")
    if newest == generation.newest:
        return False
    con.execute("BEGIN IMMEDIATE")
    _upgrade_to_new(con)
    con.execute("COMMIT")
    return True


def newest_migration(con: sqlite3.Connection) -> str:
    """The greatest version in `schema_migrations`, '' when there is none."""
    return str(con.execute("SELECT coalesce(max(version), '') FROM schema_migrations").fetchone()[0])


def _columns(specification: str) -> list[tuple[str, str]]:
    pairs = (column.split(":") for column in specification.split() if not column.startswith(">"))
    return [(name, TYPES[kind]) for name, kind in pairs]


def _create_table(con: sqlite3.Connection, name: str, specification: str) -> None:
    parts = ['"id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL']
    parts += [f'"{column}" {kind}' for column, kind in _columns(specification)]
    for reference in (word[1:] for word in specification.split() if word.startswith(">")):
        column, table = reference.split("=")
        parts.append(f'FOREIGN KEY("{column}") REFERENCES {table}("id") ON DELETE CASCADE')
    con.execute(f'CREATE TABLE "{name}" ({", ".join(parts)})')


def _create_tables(con: sqlite3.Connection) -> None:
    con.execute(
        "CREATE TABLE schema_migrations (version varchar(255) NOT NULL, rollback_sql text default NULL, "
        "optimize_on_rollback boolean default NULL, min_version text default NULL)"
    )
    con.execute('CREATE UNIQUE INDEX "unique_schema_migrations" ON "schema_migrations" ("version")')
    for name, specification in TABLES.items():
        _create_table(con, name, specification)
    for entry in INDEXES.split("|"):
        if entry:
            _create_index(con, entry)
    con.execute("CREATE INDEX 'index_title_sort_icu' ON 'metadata_items' ('title_sort' COLLATE icu_root)")


def _create_index(con: sqlite3.Connection, entry: str) -> None:
    table, listed = entry.lstrip("!").split()
    columns = listed.split(",")
    unique = "UNIQUE " if entry.startswith("!") else ""
    quoted = ", ".join(f'"{column}"' for column in columns)
    con.execute(f'CREATE {unique}INDEX "index_{table}_on_{"_and_".join(columns)}" ON "{table}" ({quoted})')


def _create_full_text(con: sqlite3.Connection) -> None:
    con.execute(
        "CREATE VIRTUAL TABLE fts4_metadata_titles "
        "USING fts4(content='metadata_items', title, title_sort, original_title)"
    )
    con.execute("CREATE VIRTUAL TABLE fts4_tag_titles USING fts4(content='tags', tag)")
    for table, index, columns, _ in FULL_TEXT:
        con.execute(f"CREATE VIRTUAL TABLE {index} USING fts4(content='{table}', {columns}, tokenize={ICU})")
    con.execute(
        "CREATE VIRTUAL TABLE 'locations' USING rtree"
        "('id' integer, 'lat_min' float, 'lat_max' float, 'lon_min' float, 'lon_max' float)"
    )
    # Stock SQLite has no spellfix1, so these can only be written into the schema, never created.
    con.execute("PRAGMA writable_schema=ON")
    for name in ("spellfix_metadata_titles", "spellfix_tag_titles"):
        con.execute(
            "INSERT INTO sqlite_master(type, name, tbl_name, rootpage, sql) VALUES('table', ?, ?, 0, ?)",
            (name, name, f"CREATE VIRTUAL TABLE {name} USING spellfix1"),
        )
    con.execute("PRAGMA writable_schema=OFF")


def _create_triggers(con: sqlite3.Connection, triggers: Triggers) -> None:
    for table, index, columns, when in FULL_TEXT:
        stem = index.removesuffix("_icu")
        update = f"UPDATE OF {NEWER_UPDATE_OF[table]}" if triggers == "new" else "UPDATE"
        condition = f"WHEN {when} " if triggers == "new" and when else ""
        gone = f"BEGIN DELETE FROM {index} WHERE docid=old.rowid; END"
        values = ", ".join(f"new.{column.strip()}" for column in columns.split(","))
        here = f"{condition}BEGIN INSERT INTO {index}(docid, {columns}) VALUES(new.rowid, {values}); END"
        for moment, event, body in (
            ("before_update", f"BEFORE {update}", gone),
            ("before_delete", "BEFORE DELETE", gone),
            ("after_update", f"AFTER {update}", here),
            ("after_insert", "AFTER INSERT", here),
        ):
            name = f"{stem}_{moment}_icu"
            con.execute(f"DROP TRIGGER IF EXISTS {name}")
            con.execute(f"CREATE TRIGGER {name} {event} ON {table} {body}")


def _record_migrations(con: sqlite3.Connection, first: int, end: int) -> None:
    con.executemany(
        "INSERT INTO schema_migrations(version, min_version) VALUES(?, ?)",
        [
            (migration(number), "1.43.0.0" if number >= MIGRATIONS_OLD else None)
            for number in range(first, end)
        ],
    )


def _upgrade_to_new(con: sqlite3.Connection) -> None:
    for table, specification in NEW_COLUMNS.items():
        for column, kind in _columns(specification):
            con.execute(f"ALTER TABLE \"{table}\" ADD '{column}' {kind}")
    for name, specification in NEW_TABLES.items():
        _create_table(con, name, specification)
    _create_triggers(con, "new")
    _record_migrations(con, MIGRATIONS_OLD, MIGRATIONS_NEW)


def __getattr__(name: str) -> object:
    """`LibraryBuilder` is reachable from here as well; it builds on this module, so it comes lazily."""
    if name == "LibraryBuilder":
        from sandbox.plex.builder import LibraryBuilder

        return LibraryBuilder
    raise AttributeError(name)

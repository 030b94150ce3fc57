"""SQLite files of others: read without disturbing, written in one transaction, copied whole."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from medialift.errors import Permanent, Transient
from medialift.foundation.sqlite import (
    is_open_by_others,
    online_backup,
    open_readonly,
    open_writer,
    table_columns,
    users,
)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    path = tmp_path / "films # 100%.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE films (id INTEGER PRIMARY KEY, title TEXT)")
    connection.execute("INSERT INTO films (title) VALUES ('Alien')")
    connection.commit()
    connection.close()
    return path


def titles(path: Path) -> list[str]:
    with open_readonly(path) as connection:
        return [row[0] for row in connection.execute("SELECT title FROM films ORDER BY id")]


def holding(path: Path, statement: str) -> subprocess.Popen[str]:
    """Another process that has the database open after one statement, until its input closes."""
    code = (
        "import sqlite3, sys\n"
        "con = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "con.execute(sys.argv[2])\nprint('held', flush=True)\nsys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(path), statement],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout.readline() == "held\n"
    return child


def test_reading_leaves_no_file_beside_the_database(films: Path):
    assert titles(films) == ["Alien"]
    assert [entry.name for entry in films.parent.iterdir()] == [films.name]


def test_a_text_that_is_not_utf8_can_be_read(films: Path):
    writer = sqlite3.connect(films)
    writer.execute("INSERT INTO films (title) VALUES (CAST(x'E96D' AS TEXT))")
    writer.commit()
    writer.close()
    assert titles(films) == ["Alien", b"\xe9m".decode("utf-8", "surrogateescape")]


def test_reading_sees_what_lies_in_the_write_ahead_log_only(films: Path):
    writer = sqlite3.connect(films)
    writer.execute("INSERT INTO films (title) VALUES ('Brazil')")
    writer.commit()
    try:
        assert titles(films) == ["Alien", "Brazil"]
    finally:
        writer.close()


def test_a_reader_cannot_write(films: Path):
    with pytest.raises(Permanent, match="cannot be used"), open_readonly(films) as connection:
        connection.execute("DELETE FROM films")


def test_a_database_that_changes_while_it_is_read_without_locks_is_an_error(films: Path):
    with pytest.raises(Transient, match="changed while it was read"), open_readonly(films):
        writer = sqlite3.connect(films)
        writer.execute("INSERT INTO films (title) VALUES ('Brazil')")
        writer.commit()
        writer.close()


def test_a_missing_file_and_one_that_is_no_database_say_so(tmp_path: Path):
    with pytest.raises(Permanent, match="no such database"), open_readonly(tmp_path / "no.db"):
        pass
    (tmp_path / "text.db").write_text("hello" * 1000)
    with pytest.raises(Permanent, match="no healthy SQLite database"), open_readonly(tmp_path / "text.db"):
        pass
    with pytest.raises(Permanent, match="no such database"), open_writer(tmp_path / "no.db"):
        pass
    assert not (tmp_path / "no.db").exists()


def test_a_writer_commits_all_or_nothing(films: Path):
    with open_writer(films) as connection:
        connection.execute("INSERT INTO films (title) VALUES ('Brazil')")
    with pytest.raises(RuntimeError), open_writer(films) as connection:
        connection.execute("DELETE FROM films")
        raise RuntimeError("stopped half way")
    assert titles(films) == ["Alien", "Brazil"]


def test_a_writer_does_not_share_with_another_writer(films: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("medialift.foundation.sqlite._BUSY_SECONDS", 0.1)
    child = holding(films, "BEGIN IMMEDIATE")
    try:
        with pytest.raises(Transient, match="in use"), open_writer(films):
            pass
    finally:
        child.communicate()


def test_who_has_it_open_is_named(films: Path):
    assert not is_open_by_others(films)
    child = holding(films, "SELECT * FROM films")
    try:
        assert any(str(child.pid) in user for user in users(films))
    finally:
        child.communicate()
    assert not is_open_by_others(films)


def test_a_lock_betrays_a_program_whose_open_files_cannot_be_seen(
    films: Path, monkeypatch: pytest.MonkeyPatch
):
    child = holding(films, "BEGIN IMMEDIATE")
    monkeypatch.setattr("medialift.foundation.sqlite._has_open", lambda *_: False)
    try:
        assert users(films) == ("a program that locks it",)
    finally:
        child.communicate()


def test_our_own_connection_is_not_another(films: Path):
    with open_readonly(films):
        assert not is_open_by_others(films)


def test_a_backup_of_a_database_in_use_holds_everything_committed(films: Path, tmp_path: Path):
    writer = sqlite3.connect(films)
    writer.executemany("INSERT INTO films (title) VALUES (?)", [(f"Film {n}",) for n in range(500)])
    writer.commit()
    try:
        online_backup(films, tmp_path / "copy.db")
    finally:
        writer.close()
    assert len(titles(tmp_path / "copy.db")) == 501
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["copy.db", films.name]


def test_a_backup_that_fails_leaves_the_target_alone(tmp_path: Path):
    (tmp_path / "copy.db").write_text("the last good one")
    (tmp_path / "broken.db").write_text("hello" * 1000)
    with pytest.raises(Permanent):
        online_backup(tmp_path / "broken.db", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "the last good one"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["broken.db", "copy.db"]


def test_the_columns_of_a_table(films: Path):
    with open_readonly(films) as connection:
        assert table_columns(connection, "films") == ("id", "title")
        assert table_columns(connection, "books") == ()

"""A copy of a database as it was before a transaction that changes nearly all of it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from medialift.errors import Permanent
from medialift.foundation.sqlite import open_writer
from medialift.foundation.sqlite_copy import copied_meanwhile, empty_log

ROWS = 20_000
MODES = pytest.mark.parametrize("films", ["wal", "delete"], indirect=True)


@pytest.fixture
def films(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "films.db"
    with closing(sqlite3.connect(path)) as con, con:
        con.execute(f"PRAGMA journal_mode = {getattr(request, 'param', 'wal')}")
        con.execute("CREATE TABLE films (id INTEGER PRIMARY KEY, title TEXT)")
        con.executemany("INSERT INTO films (title) VALUES (?)", [(f"old {n} " * 9,) for n in range(ROWS)])
    return path


def change(con: sqlite3.Connection) -> None:
    con.execute("PRAGMA cache_size = 10")  # most of it is written long before the commit
    con.execute("UPDATE films SET title = replace(title, 'old', 'new')")


def titles(path: Path) -> tuple[int, int]:
    """How many still have an old title, and a new one."""
    with closing(sqlite3.connect(path)) as con:
        assert con.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = con.execute("SELECT sum(title LIKE 'old%'), sum(title LIKE 'new%') FROM films").fetchone()
        return found[0], found[1]


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@MODES
def test_the_copy_holds_what_was_there_before_and_nothing_of_the_change(films: Path, tmp_path: Path):
    empty_log(films)
    with open_writer(films) as con, copied_meanwhile(con, films, tmp_path / "copy.db"):
        change(con)
    assert (titles(tmp_path / "copy.db"), titles(films)) == ((ROWS, 0), (0, ROWS))
    assert names(tmp_path) == ["copy.db", "films.db"]


def test_what_lies_in_a_log_that_somebody_reads_is_in_the_copy_too(films: Path, tmp_path: Path):
    with closing(sqlite3.connect(films, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM films").fetchone()
        with closing(sqlite3.connect(films)) as writer, writer:
            writer.execute("INSERT INTO films (title) VALUES ('old, and in the log only')")
        empty_log(films)
        with open_writer(films) as con, copied_meanwhile(con, films, tmp_path / "copy.db"):
            change(con)
    assert titles(tmp_path / "copy.db") == (ROWS + 1, 0)


@MODES
def test_a_change_that_fails_leaves_no_copy(films: Path, tmp_path: Path):
    empty_log(films)
    with (
        pytest.raises(RuntimeError),
        open_writer(films) as con,
        copied_meanwhile(con, films, tmp_path / "copy.db"),
    ):
        change(con)
        raise RuntimeError("it does not add up")
    assert titles(films) == (ROWS, 0)
    assert names(tmp_path) == ["films.db"]


@MODES
def test_nothing_is_changed_when_the_copy_cannot_be_written(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "cp").write_text("#!/bin/sh\necho 'cp: No space left on device' >&2; exit 1\n")
    (programs / "cp").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    empty_log(films)
    with (
        pytest.raises(Permanent, match="No space left"),
        open_writer(films) as con,
        copied_meanwhile(con, films, tmp_path / "copy.db"),
    ):
        change(con)
    assert titles(films) == (ROWS, 0)
    assert names(tmp_path) == ["films.db", "programs"]

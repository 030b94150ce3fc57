"""`Plex SQLite`: the sqlite shell inside Plex, which alone knows `icu_root` and `collating`.

    Plex SQLite [-readonly] [-header] [-separator S] [-bail] DATABASE [SQL | .command]...

Rows are printed as the sqlite3 shell prints them: values joined with |, NULL as nothing. Without SQL it
reads from standard input. Exit status 1 at an error.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from sandbox.plex import schema

FLAGS = {"-batch", "-interactive", "-list", "-noheader", "-nofollow"}


class Shell:
    """One session on one database."""

    def __init__(self, path: str, out: TextIO, err: TextIO, *, readonly: bool = False) -> None:
        mode = "ro" if readonly else "rwc"
        self.con = sqlite3.connect(
            f"file:{quote(str(Path(path).absolute()))}?mode={mode}", uri=True, isolation_level=None, timeout=5
        )
        self.con.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        schema.teach_plex(self.con)
        self.out = out
        self.err = err
        self.header = False
        self.separator = "|"

    def run(self, text: str) -> bool:
        """Run one dot-command, or all statements in `text`. False at the first error."""
        if text.lstrip().startswith("."):
            return self._command(text.strip())
        statement = ""
        for piece in text.split(";"):
            statement += piece + ";"
            if sqlite3.complete_statement(statement):
                if statement.strip(" \n\t;") and not self._statement(statement):
                    return False
                statement = ""
        return not statement.strip(" \n\t;") or self._statement(statement)

    def _statement(self, sql: str) -> bool:
        try:
            cursor = self.con.execute(sql)
            if self.header and cursor.description:
                self._print(tuple(column[0] for column in cursor.description))
            for row in cursor:
                self._print(row)
        except sqlite3.Error as failed:
            self.err.write(f"Error: {failed}\n")
            return False
        return True

    def _print(self, row: tuple[object, ...]) -> None:
        self.out.write(self.separator.join(_shown(value) for value in row) + "\n")

    def _command(self, text: str) -> bool:
        name, _, argument = text[1:].partition(" ")
        argument = argument.strip().strip("'\"")
        if name in ("quit", "exit"):
            return True
        if name in ("headers", "header"):
            self.header = argument == "on"
            return True
        if name == "timeout":
            return self._statement(f"PRAGMA busy_timeout={int(argument)}") or False
        if name == "backup":
            target = sqlite3.connect(argument)
            self.con.backup(target)
            target.close()
            return True
        if name == "dump":
            for line in self.con.iterdump():
                self.out.write(line + "\n")
            return True
        if name == "tables":
            return self._statement("SELECT name FROM sqlite_master WHERE type='table' ORDER BY 1")
        self.err.write(f'Error: unknown command or invalid arguments:  "{name}". Enter ".help" for help\n')
        return False


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value)


def main(arguments: list[str]) -> int:
    readonly = header = False
    separator = "|"
    words = list(arguments)
    while words and words[0].startswith("-"):
        word = "-" + words.pop(0).lstrip("-")
        if word == "-readonly":
            readonly = True
        elif word == "-header":
            header = True
        elif word == "-separator" and words:
            separator = words.pop(0)
        elif word == "-csv":
            separator = ","
        elif word not in FLAGS and word != "-bail":
            sys.stderr.write(f"Error: unknown option: {word}\n")
            return 1
    try:
        shell = Shell(words[0] if words else ":memory:", sys.stdout, sys.stderr, readonly=readonly)
    except sqlite3.Error as failed:
        sys.stderr.write(f'Error: unable to open database "{words[0] if words else ""}": {failed}\n')
        return 1
    shell.header, shell.separator = header, separator
    try:
        sqls = words[1:] or [sys.stdin.read()]
        return 0 if all(shell.run(sql) for sql in sqls) else 1
    finally:
        shell.con.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

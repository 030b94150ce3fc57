# ruff: noqa: E501  one mutant, one line
"""The self-test: it passes as it is shipped, and fails with each module that may be edited broken."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import medialift
from medialift.healing.pipelines import BOOKS

PACKAGE = Path(medialift.__file__).parent
# What a mutant needs is imported once, and each mutant is a fork that sees its own copy of the package.
RUNNER = """
import json, os, sys, tempfile, pathlib, time
import aiohttp, aiohttp.web, pydantic, pydantic_settings, sqlalchemy, psycopg, websockets, yaml, yarl, alembic
sys.dont_write_bytecode = True
for line in sys.stdin:
    given = json.loads(line)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        code = 3
        try:
            os.close(reader)
            sys.path.insert(0, given["package"])
            for name in [one for one in sys.modules if one.split(".")[0] == "medialift"]:
                del sys.modules[name]
            import medialift
            assert medialift.__file__.startswith(given["package"]), medialift.__file__
            from medialift.foundation import selftesting
            from medialift.books.selftest import CHECKS
            with tempfile.TemporaryDirectory() as scratch:
                for one in selftesting.run(CHECKS, pathlib.Path(scratch)):
                    if one.why:
                        os.write(writer, f"{one.name}: {one.why}"[:500].encode())
                        os._exit(1)
            code = 0
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}"[:500].encode())
        finally:
            os._exit(code)
    os.close(writer)
    why = os.read(reader, 1000).decode(errors="replace")
    os.close(reader)
    _, status = os.waitpid(child, 0)
    print(json.dumps({"code": os.waitstatus_to_exitcode(status), "why": why}), flush=True)
"""


class Mutants:
    """Runs the self-test with one module replaced."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "with" / "medialift"
        self.package.parent.mkdir()
        self._link(PACKAGE, self.package)
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def _link(self, original: Path, copy: Path) -> None:
        copy.mkdir()
        for one in original.iterdir():
            if one.is_dir() and one.name != "__pycache__":
                self._link(one, copy / one.name)
            elif one.is_file():
                (copy / one.name).symlink_to(one)

    def run(self, module: str, text: str) -> dict[str, object]:
        """{"code", "why"} of the self-test with this text of the module; code 0: it passed."""
        assert self.process.stdin is not None and self.process.stdout is not None
        place = self.package / module
        place.unlink()
        place.write_text(text, encoding="utf-8")
        try:
            self.process.stdin.write(json.dumps({"package": str(self.package.parent)}) + "\n")
            self.process.stdin.flush()
            answer: dict[str, object] = json.loads(self.process.stdout.readline())
            return answer
        finally:
            place.unlink()
            place.symlink_to(PACKAGE / module)


@pytest.fixture(scope="module")
def mutants(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mutants]:
    made = Mutants(tmp_path_factory.mktemp("mutants"))
    yield made
    made.process.kill()
    made.process.communicate()


def text_of(module: str) -> str:
    return (PACKAGE / module).read_text(encoding="utf-8")


def functions_of(module: str) -> list[str]:
    """Names of all functions and methods that do more than to hold what they were given."""
    found = []
    tree = ast.parse(text_of(module))
    for scope in [tree, *(one for one in tree.body if isinstance(one, ast.ClassDef))]:
        prefix = f"{scope.name}." if isinstance(scope, ast.ClassDef) else ""
        found += [
            f"{prefix}{one.name}"
            for one in scope.body
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
    return found


def emptied(module: str, function: str) -> str:
    """The module, whose function gives None and does nothing."""
    tree = ast.parse(text_of(module))
    *around, name = function.split(".")
    body = (
        next(one.body for one in tree.body if isinstance(one, ast.ClassDef) and one.name == around[0])
        if around
        else tree.body
    )
    found = next(one for one in body if getattr(one, "name", "") == name)
    assert isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef)
    generator = any(isinstance(one, ast.Yield) for one in ast.walk(found))
    found.body = ast.parse("if False: yield" if generator else "return None").body
    return ast.unparse(tree)


def test_the_program_tells_check_by_check_and_ends_with_0():
    done = subprocess.run(
        [sys.executable, "-m", "medialift", "selftest", "books"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ books: bringing books to a server" in done.stdout
    assert "✗" not in done.stdout


def test_it_needs_no_settings_no_home_and_no_network(tmp_path):
    environment = {"PATH": os.environ["PATH"], "MEDIALIFT_CONFIG": "/nonexistent", "TMPDIR": str(tmp_path)}
    words = [sys.executable, "-m", "medialift", "--json", "selftest"]
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh", *words],
        capture_output=True, text=True, timeout=300, env=environment, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] and {one["pipeline"] for one in told["checks"]} == {"books", "audiobooks"}
    assert list(tmp_path.iterdir()) == []


def test_a_pipeline_that_is_none_is_bad_input():
    done = subprocess.run(
        [sys.executable, "-m", "medialift", "selftest", "films"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2 and "books" in done.stderr


def test_the_self_test_passes_with_a_module_that_only_looks_otherwise(mutants):
    for module in ("books/naming.py", "books/breaker.py"):
        assert mutants.run(module, ast.unparse(ast.parse(text_of(module)))) == {"code": 0, "why": ""}


@pytest.mark.parametrize("module", BOOKS.modules)
def test_the_self_test_fails_with_a_function_of_the_module_that_does_nothing(mutants, module):
    survived = [
        name for name in functions_of(module) if mutants.run(module, emptied(module, name))["code"] == 0
    ]
    assert survived == []


@pytest.mark.parametrize("module", BOOKS.modules)
def test_the_self_test_fails_with_a_module_that_cannot_be_imported(mutants, module):
    assert mutants.run(module, text_of(module) + "\nraise ValueError\n")["code"] != 0


MUTANTS = [
    ("books/bandwidth.py", "now - 1.0", "now - 3600.0"),
    ("books/bandwidth.py", "whole / max(1, workers)", "whole"),
    ("books/bandwidth.py", "count / self.rate", "0 / self.rate"),
    ("books/bandwidth.py", "yield chunk", "yield chunk[1:]"),
    ("books/breaker.py", "len(self._row) >= IN_A_ROW or not", "not"),
    ("books/breaker.py", "return item != self._trial", "return True"),
    ("books/breaker.py", "self.open, self._trial = True, item", "self._trial = item"),
    ("books/breaker.py", "if not isinstance(error, _OF_THE_SERVER):", "if isinstance(error, _OF_THE_SERVER):"),
    ("books/breaker.py", "self._row.clear()", "pass"),
    ("books/breaker.py", "with suppress(MedialiftError):", "with suppress(OSError):"),
    ("books/breaker.py", "return not self.open", "return True"),
    ("books/calibre_rows.py", 'if part != ".." else "__"', 'if part else "__"'),
    ("books/calibre_rows.py", '.replace("/", "_")', ""),
    ("books/calibre_rows.py", "replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)", "replace(tzinfo=UTC)"),
    ("books/calibre_rows.py", "found >= _UNDEFINED_UNTIL", "found > found"),
    ("books/calibre_rows.py", 'replace("|", ",")', 'replace("!", ",")'),
    ("books/calibre_rows.py", "not _NOT_A_PERSON.intersection(sorted_name.lower().split())", "True"),
    ("books/calibre_rows.py", 'sub("\\ufffd", str(text))', 'sub("", str(text))'),
    ("books/calibre_rows.py", "[:20]", "[:19]"),
    ("books/calibre_rows.py", "max(0, int(", "max(1, int("),
    ("books/description.py", "tuple(sorted(", "tuple(reversed("),
    ("books/description.py", 'unicodedata.normalize("NFC"', 'unicodedata.normalize("NFD"'),
    ("books/description.py", "series_index=int(min(max(index, 0), _LARGEST_INDEX)) if index == index else 0", "series_index=0"),
    ("books/description.py", 'or "Unknown", _text(one.first)', 'or "Unknown", _text(one.last)'),
    ("books/description.py", "words.genre_map))", "{}))"),
    ("books/description.py", "words.language_map)", "{})"),
    ("books/description.py", 'f"{title}\\n{last_name}"', 'f"{title}"'),
    ("books/naming.py", "_TITLE_COLUMN, _NAME_COLUMN = 256, 128", "_TITLE_COLUMN, _NAME_COLUMN = 256, 256"),
    ("books/naming.py", "_PART, _PATH = 255, 512", "_PART, _PATH = 400, 900"),
    ("books/naming.py", 'f"{kept.rstrip()} {mark}" if kept else mark', "kept.rstrip()"),
    ("books/naming.py", "return min(part, path)", "return max(part, path)"),
    ("books/naming.py", 'if unicodedata.category(one) != "Mn"', 'if unicodedata.category(one) == "Mn"'),
    ("books/naming.py", "1 + (one in _TWO_LETTERS)", "1"),
    ("books/server/formats.py", '"application/epub+zip"', '"application/zip"'),
    ("books/server/formats.py", 'f"application/x-{extension}" if extension.isascii()', '"application/octet-stream" if extension.isascii()'),
    ("books/server/genres.py", "reversed(whole", "iter(whole"),
    ("books/server/genres.py", "for tag in tags:", "for tag in list(tags)[:1]:"),
    ("books/server/genres.py", "tag.lower(): genre", "tag: genre"),
    ("books/server/genres.py", '"sci-fi": "Science Fiction"', '"scy-fi": "Science Fiction"'),
    ("books/server/languages.py", "pair[4:]", "pair[3:]"),
    ("books/server/languages.py", "return default", 'return "en"'),
    ("books/server/languages.py", 'replace("_", "-").split("-")[0]', 'replace("_", "-")'),
    ("books/server/languages.py", "rus:ru", "rus:en"),
    ("books/speed.py", "one.seconds > SLOW_SECONDS", "one.seconds > SLOW_SECONDS * 2"),
    ("books/speed.py", "self.bytes += one.size", "self.bytes += 1"),
    ("books/speed.py", "if one.start > now - WINDOW_MINUTES * 60", "if one.start"),
    ("books/speed.py", "items_left / per_minute * 60", "items_left / per_minute"),
    ("books/speed.py", "whole.files / whole.minutes if", "whole.files if"),
    ("books/speed.py", "0.25)", "0.0001)"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "old", "new"), MUTANTS)
def test_the_self_test_fails_with_a_subtle_fault_in_the_module(mutants, module, old, new):
    text = text_of(module)
    assert old in text
    assert mutants.run(module, text.replace(old, new))["code"] != 0


def test_each_module_that_may_be_edited_has_subtle_faults_here():
    assert {module for module, _, _ in MUTANTS} == set(BOOKS.modules)

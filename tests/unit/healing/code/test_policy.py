"""What an edit may do to a module, and all the ways in which one may not."""

# ruff: noqa: E501  one case, one line

from pathlib import Path

import pytest

import medialift
from medialift.healing.code import policy
from medialift.healing.code.refusal import Refused
from medialift.healing.pipelines import BOOKS

GUARDED = ("held", "guard")
BEFORE = '''"""A module."""

import asyncio
import math
from contextlib import suppress
from pathlib import Path

LIMIT = 6
FIRST, LAST = 1.0, 30.0
NAMES = {"a": "b"}


class Wrong(Exception):
    """Wrong."""


class Worker:
    """Works."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0

    def work(self, lease, items):
        self.guard(lease)
        for item in items:
            if item < 0:
                raise Wrong(f"{item}")
            self.count += item
        return self.count

    def guard(self, lease):
        assert lease is not None
        if not lease.held():
            raise Wrong("lost")

    async def rest(self):
        with suppress(TimeoutError):
            await asyncio.sleep(1.0)
        return None

    def _size(self, text):
        try:
            found = float(text)
        except ValueError:
            return 0.0
        return found if math.isfinite(found) else 0.0


def shown(text):
    return text.replace("|", ",").strip()
'''


def edited(*pairs: tuple[str, str], before: str = BEFORE) -> list[str]:
    """The objections to replacing pieces of the module."""
    after = before
    for old, new in pairs:
        assert before.count(old) == 1, old
        after = after.replace(old, new)
    return policy.objections(before, after, GUARDED, "books/example.py")


GOOD = {
    "a figure": [("self.count += item", "self.count += 2 * item")],
    "a limit, a little": [("LIMIT = 6", "LIMIT = 12")],
    "a word more in a table": [('NAMES = {"a": "b"}', 'NAMES = {"a": "b", "c": "d"}')],
    "a test more": [
        ("    return text.replace", '    if text is None:\n        return ""\n    return text.replace')
    ],
    "another default": [("return text.replace", 'return (text or "").replace')],
    "a private function more": [
        (
            "def shown(text):\n    return text",
            "def _clean(text):\n    return text.lower()\n\n\ndef shown(text):\n    return _clean(text)",
        )
    ],
    "an error more": [
        (
            "        for item in items:",
            '        if self.count > 9:\n            raise Wrong("many")\n        for item in items:',
        )
    ],
    "an error that is raised anew": [
        (
            "            self.count += item",
            "            try:\n                self.count += item\n            except TypeError as error:\n                raise Wrong(str(item)) from error",
        )
    ],
    "an attribute of its own": [
        ("self.folder, self.count = folder, 0", "self.folder, self.count, self.last = folder, 0, 0")
    ],
    "a comment": [('"""A module."""', '"""A module."""\n\n# It works.')],
    "a private function gone": [
        (
            "    def _size(self, text):\n        try:\n            found = float(text)\n        except ValueError:\n            return 0.0\n"
            "        return found if math.isfinite(found) else 0.0\n",
            "",
        )
    ],
    "an escape of a text": [('.replace("|", ",")', '.replace("|", ",").replace("\\n", " ")')],
}


@pytest.mark.parametrize("what", GOOD)
def test_an_edit_of_what_is_worked_out_is_let_through(what):
    assert edited(*GOOD[what]) == []


BAD: dict[str, tuple[list[tuple[str, str]], str]] = {
    # What it reaches.
    "an import": ([("import asyncio\n", "import asyncio\nimport os\n")], "imports os"),
    "an import within": ([("        self.guard(lease)\n", "        import subprocess\n        self.guard(lease)\n")], "imports subprocess"),
    "an import under a known name": ([("import math\n", "import os as math\n")], "imports os"),
    "a name from a known module": ([("from contextlib import suppress", "from contextlib import suppress, ExitStack")], "imports contextlib.ExitStack"),
    "eval": ([("float(text)", "eval(text)")], "uses the name eval"),
    "getattr": ([("float(text)", 'getattr(text, "x")')], "uses the name getattr"),
    "a builtin by another name": ([("LIMIT = 6", "LIMIT = 6\nrun = eval")], "uses the name eval"),
    "open": ([("float(text)", "open(text).read()")], "uses the name open"),
    "a shadowed builtin": ([("def shown(text):", "def shown(text):\n    open = 1")], "uses the name open"),
    "print": ([("float(text)", "print(text)")], "uses the name print"),
    "a dunder": ([("float(text)", "text.__class__.__mro__")], "reaches into"),
    "a private attribute of another": ([("lease.held():", "lease.held() and lease._token:")], "reaches into"),
    "a file removed": ([("self.count += item", "self.count += item\n            self.folder.unlink()")], "attribute self.folder.unlink"),
    "a file written": ([("float(text)", "self.folder.write_text(text)")], "write_text"),
    "a file moved": ([("float(text)", "self.folder.replace(text)")], "other than on a text"),
    "a file moved by name": ([("float(text)", "self.folder.replace(target=text)")], "other than on a text"),
    "a file moved by a list": ([("float(text)", "self.folder.replace(*[text])")], "other than on a text"),
    "a method kept for later": ([("float(text)", "self.folder.replace")], "other than on a text"),
    "a process": ([("asyncio.sleep(1.0)", 'asyncio.create_subprocess_shell("true")')], "create_subprocess_shell"),
    "a module within a module": ([("float(text)", "asyncio.subprocess.Process")], "asyncio.subprocess"),
    "a module by another name": ([("LIMIT = 6", "LIMIT = 6\nmine = asyncio")], "hands on the module"),
    "a module as an argument": ([("shown(text):\n    return", "shown(text):\n    shown(asyncio)\n    return")], "hands on the module"),
    "a changed module": ([("LIMIT = 6", "LIMIT = 6\nasyncio.sleep = None")], "changes asyncio.sleep"),
    "a changed class": ([("float(text)", "float(text)\n            Path.exists = None")], "changes Path.exists"),
    "a changed argument": ([("        self.guard(lease)\n", "        self.guard(lease)\n        lease.held = None\n")], "changes lease.held"),
    "another path": ([("LIMIT = 6", "LIMIT = 6\nPath = None")], "in the place of Path"),
    "another path within": ([("def shown(text):", "def shown(text):\n    suppress = text")], "in the place of suppress"),
    "a format": ([('return text.replace', 'return "{0.x}".format(text).replace')], "format"),
    "a dunder in a text": ([('return text.replace', 'return "__globals__".replace')], "holds the text"),
    "a global": ([("def shown(text):", "def shown(text):\n    global LIMIT")], "another scope"),
    # What it takes away.
    "a raise gone": ([('            if item < 0:\n                raise Wrong(f"{item}")\n', "")], "check is gone"),
    "an assertion gone": ([("        assert lease is not None\n", "")], "check is gone"),
    "a guard gone": ([("        self.guard(lease)\n", "")], "check is gone"),
    "a guard not called": ([("        self.guard(lease)\n", "        self.guard\n")], "check is gone"),
    "a guard on another": ([("self.guard(lease)", "self.guard(items)")], "check is gone"),
    "a guard later": (
        [("        self.guard(lease)\n", ""), ("        return self.count\n", "        self.guard(lease)\n        return self.count\n")],
        "check is gone",
    ),
    "a guard under a condition": ([("        self.guard(lease)\n", "        if items:\n            self.guard(lease)\n")], "another condition"),
    "a guard within a function": (
        [("        self.guard(lease)\n", "        def later():\n            self.guard(lease)\n")], "check is gone"
    ),
    "a guard whose error is caught": (
        [("        self.guard(lease)\n", "        try:\n            self.guard(lease)\n        except Wrong:\n            raise\n")],
        "another condition",
    ),
    "a way around": ([("        self.guard(lease)\n", "        if not items:\n            return 0\n        self.guard(lease)\n")], "way around"),
    "a loop that goes on": ([("            if item < 0:", "            if item == -1:\n                continue\n            if item < 0:")], "way around"),
    "another condition": ([("if item < 0:", "if item < -9:")], "another condition"),
    "a condition that never holds": ([("if not lease.held():", "if not lease.held() and False:")], "another condition"),
    "another value before a check": ([("        for item in items:\n", "        for item in items:\n            item = abs(item)\n")], "gets other values"),
    "another list before a check": ([("for item in items:", "for item in [1]:")], "gets other values"),
    "another argument before a guard": (
        [("        self.guard(lease)\n", "        lease = None\n        self.guard(lease)\n")], "gets other values"
    ),
    "a class without its guard": ([("    def guard(self, lease):", "    def _guard(self, lease):")], "gone"),
    "a second one": ([("def shown(text):", "class Worker:\n    pass\n\n\ndef shown(text):")], "more than once"),
    "a method that is replaced": ([("    async def rest", "    guard = None\n\n    async def rest")], "more than once"),
    # What it catches.
    "a swallowed error": (
        [("            self.count += item", "            try:\n                self.count += item\n            except TypeError:\n                pass")],
        "swallows TypeError",
    ),
    "every error swallowed": (
        [("            self.count += item", "            try:\n                self.count += item\n            except:\n                continue")],
        "swallows every error",
    ),
    "more errors swallowed": ([("except ValueError:", "except Exception:")], "swallows Exception"),
    "an error of more lines swallowed": ([("found = float(text)", "found = float(text) / len(text)")], "swallows ValueError"),
    "an error suppressed": ([("suppress(TimeoutError)", "suppress(Exception)")], "suppresses"),
    "a return in the end": (
        [("    return text.replace", '    try:\n        text = text.lower()\n    finally:\n        return ""\n    return text.replace')],
        "at the end of a block",
    ),
    # Conditions that are none.
    "always": ([("    return text.replace", '    if 1 == 1:\n        return ""\n    return text.replace')], "always the same"),
    "or always": ([("if math.isfinite(found)", "if math.isfinite(found) or True")], "always the same"),
    "never": ([("if math.isfinite(found)", "if math.isfinite(found) and 0")], "always the same"),
    "the same on both sides": ([("if math.isfinite(found)", "if found == found")], "compared with itself"),
    "a loop without an end": ([("    return text.replace", "    while True:\n        text = text\n    return text.replace")], "always the same"),
    # What others rely on.
    "a function gone": ([("def shown(text):", "def hidden(text):")], "shown is gone"),
    "another argument": ([("def shown(text):", "def shown(text, more):")], "other arguments"),
    "a decorator": ([("def shown(text):", "@Wrong\ndef shown(text):")], "declared otherwise"),
    "another base": ([("class Wrong(Exception):", "class Wrong(ValueError):")], "declared otherwise"),
    "no coroutine": ([("    async def rest(self):\n        with suppress(TimeoutError):\n            await asyncio.sleep(1.0)\n", "    def rest(self):\n")], "declared otherwise"),
    "a magic method": ([("    async def rest", "    def __getattr__(self, name):\n        return None\n\n    async def rest")], "adds Worker.__getattr__"),
    "something at import": ([("LIMIT = 6", "LIMIT = 6\nshown('')")], "when it is imported"),
    "something at import under a condition": ([("LIMIT = 6", "LIMIT = 6\nif LIMIT:\n    LIMIT = 7")], "when it is imported"),
    "a limit far off": ([("LIMIT = 6", "LIMIT = 6000")], "limit LIMIT"),
    "a limit of nothing": ([("LIMIT = 6", "LIMIT = 0")], "limit LIMIT"),
    "a limit of infinity": ([("LIMIT = 6", "LIMIT = math.inf")], "limit LIMIT"),
    "a limit of another sign": ([("LIMIT = 6", "LIMIT = -6")], "limit LIMIT"),
    "one of two limits": ([("FIRST, LAST = 1.0, 30.0", "FIRST, LAST = 1.0, 3000.0")], "limit LAST"),
    "a constant gone": ([("LIMIT = 6\n", "")], "LIMIT is gone"),
    "a huge number": ([("float(text)", "float(text) + 10000000000000")], "holds the number"),
    "a power": ([("float(text)", "float(text) ** 99")], "very large numbers"),
    "a silenced checker": ([("import math\n", "import math  # type: ignore\n")], "silences"),
    "more suppressed": ([("asyncio.sleep(1.0)", "asyncio.sleep(2.0)")], "suppresses"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_an_edit_that_does_more_is_refused(what):
    pairs, why = BAD[what]
    assert any(why in one for one in edited(*pairs)), edited(*pairs)


@pytest.mark.parametrize(
    "after",
    [
        "def f(:\n",
        "return 1\n",
        "x = 1\x00\n",
        " x = 1\n",
        "a = (" * 500,
        "await x\n",
        "def f():\n\tx\n        y\n",
    ],
)
def test_what_is_no_python_is_refused(after):
    with pytest.raises(Refused, match="no Python"):
        policy.check("x = 1\n", after, (), "books/example.py")


def test_the_first_reasons_are_told():
    with pytest.raises(Refused) as refused:
        policy.check(
            BEFORE, BEFORE.replace("import math\n", "import os\nimport sys\n"), GUARDED, "books/example.py"
        )
    assert "it imports os" in str(refused.value) and "it imports sys" in str(refused.value)


@pytest.mark.parametrize("module", BOOKS.modules)
def test_each_module_of_the_list_is_within_the_rules_as_it_is(module):
    text = (Path(medialift.__file__).parent / module).read_text(encoding="utf-8")
    assert policy.objections(text, text, BOOKS.guarded, module) == []
    assert policy.objections(text, f"{text}\nimport os\n", BOOKS.guarded, module)


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("books/naming.py", "title=shortened(named.title, _room_for_title(named))", "title=named.title"),
        (
            "books/description.py",
            'raise Permanent(\n                "The book',
            'print(\n                "The book',
        ),
        ("books/description.py", "named = fitted(\n        Named(", "named = (\n        Named("),
        ("books/breaker.py", "return await self._healthy()", "return True"),
        ("books/breaker.py", "with suppress(MedialiftError):", "with suppress(Exception):"),
        (
            "books/calibre_rows.py",
            "library.joinpath(*parts, file)",
            "library.joinpath(*parts, file).unlink()",
        ),
        ("books/breaker.py", "IN_A_ROW = 6", "IN_A_ROW = 600"),
    ],
)
def test_a_check_of_the_books_cannot_be_disabled(module, old, new):
    text = (Path(medialift.__file__).parent / module).read_text(encoding="utf-8")
    assert text.count(old) == 1
    guarded = (*BOOKS.guarded, "fitted")
    assert policy.objections(text, text.replace(old, new), guarded, module)

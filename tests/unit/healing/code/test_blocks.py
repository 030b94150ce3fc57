"""Taking search/replace blocks out of what a model wrote, and applying all of them or none."""

import pytest

from medialift.healing.code import blocks, edit
from medialift.healing.code.blocks import Block
from medialift.healing.code.refusal import Refused

MODULE = "books/speed.py"
TEXT = "import time\n\n\ndef one():\n    a = 1\n    return a\n\n\ndef two():\n    a = 1\n    return a + 1\n"


def block(search: str, replace: str) -> str:
    return f"<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE\n"


def edited(answer: str, text: str = TEXT) -> str:
    return edit.apply(text, blocks.parse(answer, MODULE))


def test_a_block_is_found_among_talk_and_fences():
    written = block("    return a", "    return a + 2")
    answer = f"Here is the edit:\n\n{MODULE}\n```python\n{written}```\nThat is all.\n"
    assert blocks.parse(answer, MODULE) == (Block(("    return a",), ("    return a + 2",)),)


@pytest.mark.parametrize("name", [MODULE, f"`src/medialift/{MODULE}`", f"### ./{MODULE}", f"**{MODULE}**:"])
def test_the_module_may_be_named_before_its_block(name):
    assert blocks.parse(f"{name}\n{block('import time', 'import  time')}", MODULE)


@pytest.mark.parametrize(
    "name",
    [
        "books/writes.py",
        "/etc/passwd.txt",
        "../books/speed.py",
        "src/medialift/settings.py",
        "speed.py",
        "a\\b.py",
    ],
)
def test_a_block_for_another_file_refuses_the_whole(name):
    answer = f"{MODULE}\n{block('    return a', '    return 1')}\n{name}\n{block('import time', 'import os')}"
    with pytest.raises(Refused, match="another file"):
        blocks.parse(answer, MODULE)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "no block"),
        ("I would rather restart it.", "no block"),
        ("<<<<<<< SEARCH\na\n=======\nb\n", "cut off"),
        ("<<<<<<< SEARCH\na\n", "cut off"),
        ("<<<<<<< SEARCH\na\n>>>>>>> REPLACE\n", "mark"),
        (">>>>>>> REPLACE\n", "did not begin"),
        ("<<<<<<< SEARCH\n=======\nb\n>>>>>>> REPLACE\n", "what it replaces"),
        ("<<<<<<< SEARCH\na\n=======\na\n>>>>>>> REPLACE\n", "changes nothing"),
        ("<<<<<<< SEARCH\na\n=======\nb\n=======\nc\n>>>>>>> REPLACE\n", "mark"),
        ("<<<<<<< SEARCH\na\n<<<<<<< SEARCH\nb\n=======\nc\n>>>>>>> REPLACE\n", "mark"),
        (block("a", "b\u202ec"), "cannot be seen"),
        (block("a", "b\x00c"), "cannot be seen"),
        ("x" * 300_000, "too long"),
        (block("a", "b") * 30, "too many"),
    ],
)
def test_what_is_no_whole_block_is_refused(answer, why):
    with pytest.raises(Refused, match=why):
        blocks.parse(answer, MODULE)


def test_lines_may_be_taken_away():
    assert edited(block("import time", "")) == "\n" + TEXT.removeprefix("import time\n")
    assert edited("<<<<<<< SEARCH\nimport time\n=======\n>>>>>>> REPLACE\n") == TEXT.removeprefix(
        "import time\n"
    )


def test_a_block_goes_to_the_one_place_that_it_names():
    assert edited(block("def two():\n    a = 1", "def two():\n    a = 7")) == TEXT.replace(
        "def two():\n    a = 1", "def two():\n    a = 7"
    )


def test_a_block_that_fits_twice_or_never_changes_nothing():
    with pytest.raises(Refused, match="more than one place"):
        edited(block("    a = 1", "    a = 2"))
    with pytest.raises(Refused, match="not in the module"):
        edited(block("    a = 3", "    a = 2"))


def test_all_blocks_are_applied_or_none():
    with pytest.raises(Refused, match="block 2"):
        edited(block("import time", "import  time") + block("def three():", "def four():"))


def test_a_block_does_not_find_what_another_one_wrote():
    with pytest.raises(Refused, match="not in the module"):
        edited(block("import time", "b = 5") + block("b = 5", "b = 6"))


def test_two_blocks_for_the_same_lines_are_refused():
    with pytest.raises(Refused, match="same lines"):
        edited(block("def two():\n    a = 1", "x") + block("    a = 1\n    return a + 1", "y"))


def test_blanks_at_the_ends_and_a_missing_indentation_do_not_count():
    assert edited(block("def two():   \n    a = 1\t", "def two():\n    a = 7")) == TEXT.replace(
        "def two():\n    a = 1", "def two():\n    a = 7"
    )
    assert edited(block("return a + 1", "b = 2\n\nreturn a + b")) == TEXT.replace(
        "    return a + 1", "    b = 2\n\n    return a + b"
    )


def test_an_edit_of_windows_is_as_one_of_ours():
    assert edited(block("import time", "import  time").replace("\n", "\r\n")) == TEXT.replace(
        "import time", "import  time"
    )


def test_a_very_large_edit_is_refused():
    with pytest.raises(Refused, match="too large"):
        edited(block("import time", "\n".join(f"a{n} = {n}" for n in range(200))))


def test_the_difference_is_shown_as_people_read_it():
    after = TEXT.replace("return a + 1", "return a + 2")
    told = edit.unified(TEXT, after, MODULE)
    assert told.startswith(f"--- a/{MODULE}\n+++ b/{MODULE}\n")
    assert "-    return a + 1\n+    return a + 2\n" in told

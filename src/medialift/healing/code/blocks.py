"""Search/replace blocks out of what a model wrote: plain text, since code within JSON comes out worse.

    books/speed.py
    <<<<<<< SEARCH
    lines as they are
    =======
    lines as they are to be
    >>>>>>> REPLACE

What stands around the blocks is talk and does nothing, except names of files: a block for another file than
the one that may be edited refuses the whole.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from medialift.healing.code.refusal import Refused

_SEARCH, _DIVIDER, _REPLACE = "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"
_MARKS = ("<<<<<<<", ">>>>>>>")
_MOST_BLOCKS = 20
_LONGEST = 200_000
# A line that is a path and nothing else, perhaps with the marks that people put around one.
_PATH = re.compile(r"[\s#*`'\"(\[]*((?:[\w.~-]*[/\\])*[\w.-]+\.\w{1,5})[\s*`'\")\]:,]*")


@dataclass(frozen=True)
class Block:
    """Lines that are to be found once, and those that come in their place; without ends of lines."""

    search: tuple[str, ...]
    replace: tuple[str, ...]


def parse(text: str, module: str) -> tuple[Block, ...]:
    """The blocks in their order.

    Args:
        module: what may be edited, as the pipeline's list has it, such as "books/speed.py".

    Raises:
        Refused: there is none, one is not whole, or one is for another file.
    """
    if len(text) > _LONGEST:
        raise Refused("The edit is too long", f"{len(text)} characters", f"At most {_LONGEST}")
    found: list[Block] = []
    search: list[str] | None = None
    replace: list[str] | None = None
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        bare = line.rstrip()
        if search is None:
            if bare == _SEARCH:
                search = []
            elif bare.startswith(_MARKS):
                raise _broken(number, "a block ends that did not begin")
            else:
                _same_module(line, module)
        elif replace is None and bare == _DIVIDER:
            replace = []
        elif replace is not None and bare == _REPLACE:
            found.append(_block(search, replace, number))
            search = replace = None
        elif bare.startswith(_MARKS) or (replace is not None and bare == _DIVIDER):
            raise _broken(number, "a mark stands within a block")
        else:
            (search if replace is None else replace).append(_plain(line, number))
    if search is not None:
        raise _broken(text.count("\n") + 1, "the last block does not end: the answer was cut off")
    if not found:
        raise Refused("The edit holds no block", module)
    if len(found) > _MOST_BLOCKS:
        raise Refused("The edit has too many blocks", f"{len(found)} of them", f"At most {_MOST_BLOCKS}")
    return tuple(found)


def _block(search: list[str], replace: list[str], number: int) -> Block:
    if not any(line.strip() for line in search):
        raise _broken(number, "the block does not say what it replaces")
    if search == replace:
        raise _broken(number, "the block changes nothing")
    return Block(tuple(search), tuple(replace))


def _same_module(line: str, module: str) -> None:
    named = _PATH.fullmatch(line)
    if named is None:
        return
    path = named[1].replace("\\", "/").removeprefix("./")
    if path not in (module, f"medialift/{module}", f"src/medialift/{module}"):
        raise Refused("The edit is for another file than may be edited", f"{path} instead of {module}")


def _plain(line: str, number: int) -> str:
    """The line, when it holds only what can be seen: else a text may read otherwise than it runs."""
    for one in line:
        if one != "\t" and unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
            raise _broken(number, f"a character that cannot be seen (U+{ord(one):04X})")
    return line


def _broken(number: int, why: str) -> Refused:
    return Refused("The edit's blocks cannot be read", f"line {number}: {why}")

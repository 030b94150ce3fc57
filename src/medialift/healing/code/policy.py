"""What an edit may do to a module, judged by both syntax trees before anything of it is run.

An edit may change how words and figures are worked out, and nothing else: it reaches nothing that the module
did not reach, and no check, error or limit goes. The rules are about what is new, so that what stands in a
module already may stay. They cannot tell whether an edit is right; the self-test and the canary do that.
"""

from __future__ import annotations

import ast
from collections.abc import Collection

from medialift.healing.code import guards, reach, signatures
from medialift.healing.code.refusal import Refused

_SHOWN = 5


def check(before: str, after: str, guarded: Collection[str], module: str) -> None:
    """Nothing when the edit is within the rules.

    Args:
        before, after: the module's text.
        guarded: names whose calls may neither go nor be got around.

    Raises:
        Refused: it is not; with the first reasons.
    """
    found = objections(before, after, guarded, module)
    if found:
        more = f" (and {len(found) - _SHOWN} more)" if len(found) > _SHOWN else ""
        raise Refused("The edit breaks the rules", f"{module}: {'; '.join(found[:_SHOWN])}{more}")


def objections(before: str, after: str, guarded: Collection[str], module: str) -> list[str]:
    """Why the edit is not to be taken, in words; [] when nothing speaks against it.

    Raises:
        Refused: it is no Python.
    """
    old, fresh = _parsed(before, module), _parsed(after, module)
    return [
        *reach.objections(old, fresh),
        *guards.objections(old, fresh, frozenset(guarded)),
        *signatures.objections(old, fresh),
        *_silenced(before, after),
    ]


def _parsed(text: str, module: str) -> ast.Module:
    try:
        tree = ast.parse(text, module)
        compile(text, module, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Refused("The edit leaves something that is no Python", f"{module}: {error}") from error
    return tree


def _silenced(before: str, after: str) -> list[str]:
    return [
        f"it silences a checker ({mark})"
        for mark in ("# noqa", "# type:", "# pragma", "# nosec")
        if after.count(mark) > before.count(mark)
    ]

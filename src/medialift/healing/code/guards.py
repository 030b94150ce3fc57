"""Checks that an edit leaves: errors that are raised, calls that guard, what is caught, and conditions.

A point is an error that is raised, an assertion, or a statement with a call that guards something. Each point
of a function must still be there, in its order, under the same conditions, with no new way out before it, and
with nothing new in the variables that it looks at. So a check can be added, and none be taken away or got
around.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from medialift.healing.code.tree import Function, called, code, new, of, scopes, shape, shapes

_EXITS = (ast.Return, ast.Continue, ast.Break)
_BODIES = ("body", "orelse", "finalbody", "handlers", "cases")


@dataclass(frozen=True)
class _Point:
    """A check.

    Attributes:
        key: what it is, with all conditions around it.
        exits: how many ways out of its function stand before it.
        looks_at: names that it or its conditions use.
    """

    key: tuple[str, ...]
    exits: int
    looks_at: frozenset[str]
    text: str


def objections(before: ast.Module, after: ast.Module, guarded: frozenset[str]) -> list[str]:
    """Which checks of the code before an edit are gone after it, or can be got around."""
    return [
        *_points(before, after, guarded),
        *_caught(before, after),
        *_constant(before, after),
    ]


def _points(before: ast.Module, after: ast.Module, guarded: frozenset[str]) -> Iterator[str]:
    now = dict(scopes(after))
    for name, scope in scopes(before):
        points = list(_points_of(scope, guarded))
        if not points:
            continue
        if name not in now:
            yield f"the checks in {name} are gone"
            continue
        left = iter(_points_of(now[name], guarded))
        for point in points:
            found = next((one for one in left if one.key == point.key), None)
            if found is None:
                yield f"a check is gone, or stands under another condition: {point.text}"
                break
            if found.exits > point.exits:
                yield f"there is a new way around: {point.text}"
        looked_at = frozenset(one for point in points for one in point.looks_at)
        if shapes(_assigning(scope, looked_at)) != shapes(_assigning(now[name], looked_at)):
            yield f"what the checks in {name or 'the module'} look at gets other values"


def _points_of(scope: ast.AST, guarded: frozenset[str]) -> Iterator[_Point]:
    exits = 0

    def within(statements: list[ast.stmt], around: tuple[ast.AST, ...]) -> Iterator[_Point]:
        nonlocal exits
        for statement in statements:
            if isinstance(statement, ast.ClassDef | Function):
                continue
            head = _head(statement)
            if isinstance(statement, ast.Raise | ast.Assert) or _guards(head, guarded):
                key = (type(statement).__name__, *map(shape, head), *map(shape, around))
                yield _Point(key, exits, _names([*head, *around]), code(head[0]))
            if isinstance(statement, _EXITS):
                exits += 1
            inner = (*around, *head)
            for part in _BODIES:
                for body, marks in _bodies(statement, part):
                    yield from within(body, (*inner, *marks))

    yield from within(list(getattr(scope, "body", ())), ())


def _head(statement: ast.stmt) -> list[ast.AST]:
    """A statement without the statements in it: the test of an `if`, the whole of an assignment."""
    if not any(getattr(statement, part, None) for part in _BODIES):
        return [statement]
    return [
        node
        for field, value in ast.iter_fields(statement)
        if field not in _BODIES
        for node in (value if isinstance(value, list) else [value])
        if isinstance(node, ast.AST)
    ] or [ast.Constant(type(statement).__name__)]


def _bodies(statement: ast.stmt, part: str) -> Iterator[tuple[list[ast.stmt], list[ast.AST]]]:
    """(statements, what tells this branch from another) of a part of a statement."""
    inside = getattr(statement, part, None) or []
    if part in ("handlers", "cases"):
        for one in inside:
            kind = one.type if isinstance(one, ast.ExceptHandler) else one.pattern
            marks = [node for node in (kind, getattr(one, "guard", None)) if node is not None]
            yield one.body, [ast.Constant(part), *marks]
    elif inside:
        # What is caught around a check belongs to it: else it might be raised and swallowed.
        handlers: list[ast.AST] = list(getattr(statement, "handlers", ())) if part == "body" else []
        yield inside, [ast.Constant(part), *handlers]


def _guards(head: list[ast.AST], guarded: frozenset[str]) -> bool:
    return any(
        isinstance(node, ast.Call) and called(node) in guarded for part in head for node in ast.walk(part)
    )


def _names(nodes: list[ast.AST]) -> frozenset[str]:
    return frozenset(
        node.id
        for part in nodes
        for node in ast.walk(part)
        if isinstance(node, ast.Name) and node.id != "self"
    )


def _assigning(scope: ast.AST, names: frozenset[str]) -> list[ast.AST]:
    """What gives one of these names a value within a scope: the whole assignment, or the head of a loop."""
    found: list[ast.AST] = []
    kinds = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.NamedExpr, ast.For, ast.AsyncFor, ast.With)
    for node in of(scope, *kinds, ast.AsyncWith, ast.Delete):
        head = _head(node) if isinstance(node, ast.stmt) else [node]
        stored = (one for part in head for one in ast.walk(part) if isinstance(one, ast.Name))
        if any(not isinstance(one.ctx, ast.Load) and one.id in names for one in stored):
            found += head
    return found


def _caught(before: ast.Module, after: ast.Module) -> Iterator[str]:
    """Errors that were not caught before, or by more of the code, and are not raised again."""
    kinds = (ast.Try, ast.TryStar)
    for node in new(of(before, *kinds), of(after, *kinds)):
        assert isinstance(node, ast.Try | ast.TryStar)  # noqa: S101  that is what was asked for
        for handler in node.handlers:
            if not isinstance(handler.body[-1], ast.Raise):
                yield f"it swallows {code(handler.type) if handler.type else 'every error'}"
        if any(isinstance(one, _EXITS) for part in node.finalbody for one in ast.walk(part)):
            yield "it swallows errors at the end of a block"
    withs = (ast.With, ast.AsyncWith)
    for node in new(of(before, *withs), of(after, *withs)):
        calls = [one for item in getattr(node, "items", ()) for one in ast.walk(item)]
        if any(isinstance(one, ast.Call) and called(one) == "suppress" for one in calls):
            yield "it suppresses errors"


def _constant(before: ast.Module, after: ast.Module) -> Iterator[str]:
    """Conditions that are always so, or never."""
    for node in new(_conditions(before), _conditions(after)):
        alive = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Await)
        if not any(isinstance(one, alive) for one in ast.walk(node)):
            yield f"a condition is always the same: {code(node)}"
    for node in new(of(before, ast.Compare), of(after, ast.Compare)):
        if isinstance(node, ast.Compare):
            parts = [shape(one) for one in (node.left, *node.comparators)]
            if len(set(parts)) < len(parts):
                yield f"something is compared with itself: {code(node)}"
    for node in new(of(before, ast.Name), of(after, ast.Name)):
        if isinstance(node, ast.Name) and node.id in ("__debug__", "TYPE_CHECKING"):
            yield f"a condition is always the same: {node.id}"


def _conditions(tree: ast.Module) -> list[ast.AST]:
    found: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
            found.append(node.test)
        elif isinstance(node, ast.BoolOp):
            found += _operands(node)
        elif isinstance(node, ast.comprehension):
            found += node.ifs
        elif isinstance(node, ast.match_case) and node.guard is not None:
            found.append(node.guard)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            found.append(node.operand)
    return found


def _operands(node: ast.BoolOp) -> list[ast.expr]:
    # The last operand of an `or` is often a value to fall back to: `name or "Unknown"`. Only a condition's
    # truth counts, so what is always true there is none.
    last = node.values[-1]
    harmless = isinstance(last, ast.Constant) and not isinstance(last.value, bool | int)
    return node.values[:-1] if harmless else node.values

"""Python's syntax tree, as the rules about edits look at it."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef
Scope = ast.Module | ast.ClassDef | Function


def shape(node: ast.AST | None) -> str:
    """The same for two pieces of code that mean the same, wherever they stand; "" for none."""
    return "" if node is None else ast.dump(node)


def shapes(nodes: Iterable[ast.AST]) -> Counter[str]:
    """How often there is each of these pieces of code."""
    return Counter(shape(node) for node in nodes)


def new(before: Iterable[ast.AST], after: Iterable[ast.AST]) -> list[ast.AST]:
    """Those pieces of code that are not in the module before, or less often."""
    left = shapes(before)
    found = []
    for node in after:
        key = shape(node)
        if left[key]:
            left[key] -= 1
        else:
            found.append(node)
    return found


def of(tree: ast.AST, *kinds: type[ast.AST]) -> list[ast.AST]:
    """All nodes of these kinds, in the order of the source."""
    return sorted((node for node in ast.walk(tree) if isinstance(node, kinds)), key=_position)


def scopes(tree: ast.Module) -> Iterator[tuple[str, Scope]]:
    """(name with those around it, scope) of the module ("") and of each class and function in it."""

    def within(scope: Scope, name: str) -> Iterator[tuple[str, Scope]]:
        yield name, scope
        for child in own(scope):
            if isinstance(child, ast.ClassDef | Function):
                yield from within(child, f"{name}.{child.name}".lstrip("."))

    yield from within(tree, "")


def own(scope: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a scope, in the order of the source, without what is inside of scopes in it."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, ast.ClassDef | Function):
            yield from own(child)


def called(call: ast.Call) -> str:
    """The last part of the name of what is called; "" when it has none."""
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def code(node: ast.AST) -> str:
    """As Python, short, for people."""
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def _position(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)

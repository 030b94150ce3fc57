"""What others rely on in a module and an edit leaves: functions, classes, constants and their limits."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator

from medialift.healing.code.tree import Function, code, new, of, scopes, shape

# A limit that is moved further than this is no longer one.
_FACTOR = 4.0
_LARGEST = 10**12
_STATEMENTS = (
    ast.Import,
    ast.ImportFrom,
    ast.Assign,
    ast.AnnAssign,
    ast.ClassDef,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
)


def objections(before: ast.Module, after: ast.Module) -> list[str]:
    """What others rely on that is gone or another one after an edit."""
    return [
        *_definitions(before, after),
        *_twice(before, after),
        *_statements(before, after),
        *_constants(before, after),
        *_growth(before, after),
    ]


def _definitions(before: ast.Module, after: ast.Module) -> Iterator[str]:
    old, fresh = dict(scopes(before)), dict(scopes(after))
    for name, scope in old.items():
        if isinstance(scope, ast.Module):
            continue
        other = fresh.get(name)
        if other is None:
            if not scope.name.startswith("_") or scope.name.startswith("__"):
                yield f"{name} is gone"
            continue
        if type(other) is not type(scope) or _dress(scope) != _dress(other):
            yield f"{name} is declared otherwise"
        if isinstance(scope, Function) and isinstance(other, Function):
            private = scope.name.startswith("_") and not scope.name.startswith("__")
            if not private and shape(scope.args) != shape(other.args):
                yield f"{name} takes other arguments"
    for name, scope in fresh.items():
        if name not in old and isinstance(scope, Function) and scope.name.startswith("__"):
            yield f"it adds {name}"


def _dress(scope: ast.ClassDef | Function) -> list[str]:
    """Decorators, and what a class is made from."""
    around = [shape(one) for one in scope.decorator_list]
    if isinstance(scope, ast.ClassDef):
        around += [shape(one) for one in (*scope.bases, *scope.keywords)]
    return around


def _twice(before: ast.Module, after: ast.Module) -> Iterator[str]:
    """A function or class that another one of the same name, or a value, takes the place of."""
    old = dict(scopes(before))
    for name, scope in scopes(after):
        counted = _defined(scope)
        usual = _defined(old[name]) if name in old else Counter[str]()
        functions = {
            one.name for one in getattr(scope, "body", ()) if isinstance(one, ast.ClassDef | Function)
        }
        for one in sorted(functions):
            if counted[one] > max(1, usual[one]):
                yield f"{f'{name}.{one}'.lstrip('.')} is defined more than once"


def _defined(scope: ast.AST) -> Counter[str]:
    found: Counter[str] = Counter()
    for statement in getattr(scope, "body", ()):
        if isinstance(statement, ast.ClassDef | Function):
            found[statement.name] += 1
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                found[node.id] += 1
            elif isinstance(node, ast.ClassDef | Function):
                found[node.name] += 1
    return found


def _statements(before: ast.Module, after: ast.Module) -> Iterator[str]:
    """What would be done as soon as the module is imported."""
    for node in new(before.body, after.body):
        documentation = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not isinstance(node, _STATEMENTS) and not documentation:
            yield f"it does something when it is imported: {code(node)}"


def _constants(before: ast.Module, after: ast.Module) -> Iterator[str]:
    fresh = dict(_assigned(after))
    for name, value in _assigned(before):
        if name not in fresh:
            if not name.startswith("_"):
                yield f"{name} is gone"
            continue
        was, now = list(_numbers(value)), list(_numbers(fresh[name]))
        if was and not (_form(value) == _form(fresh[name]) and all(map(_near, was, now))):
            yield f"the limit {name} is moved too far: {code(fresh[name])}"


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """(name, value) of the module's own names, also of several that are assigned at once."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                for position, one in enumerate(names):
                    if isinstance(one, ast.Name):
                        split = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                        yield one.id, node.value.elts[position] if split else node.value  # type: ignore[attr-defined]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def _form(value: ast.expr) -> str:
    """An expression without its numbers."""
    return re.sub(r"(?<=Constant\(value=)-?[\d.e+]+", "", shape(value))


def _numbers(value: ast.expr) -> Iterator[float]:
    for node in ast.walk(value):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            yield node.value


def _near(one: float, other: float) -> bool:
    if type(one) is not type(other) or isinstance(one, bool):
        return one is other
    return one == other or (one * other > 0 and 1 / _FACTOR <= abs(other / one) <= _FACTOR)


def _growth(before: ast.Module, after: ast.Module) -> Iterator[str]:
    """What may fill the memory or last for ever."""
    for node in new(of(before, ast.Constant), of(after, ast.Constant)):
        value = getattr(node, "value", None)
        if isinstance(value, int | float) and not abs(value) <= _LARGEST:
            yield f"it holds the number {code(node)}"
    for node in new(of(before, ast.BinOp, ast.AugAssign), of(after, ast.BinOp, ast.AugAssign)):
        if isinstance(getattr(node, "op", None), ast.Pow | ast.LShift):
            yield f"it makes very large numbers: {code(node)}"
    for node in new(of(before, ast.While), of(after, ast.While)):
        yield f"it has a loop of another kind: while {code(getattr(node, 'test', node))}"

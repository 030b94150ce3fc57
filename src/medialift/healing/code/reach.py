"""What the code of an edit reaches: imports, names, attributes and what it assigns to.

Names and attributes that are new to a module are taken from a list of what is harmless, so that nothing has
to be thought of that is not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from medialift.healing.code.tree import Function, code, new, of

# Builtins that only work with values.
_VALUES = """
None True False abs all any bool bytes dict divmod enumerate filter float frozenset int isinstance iter len
list map max min next range repr reversed round set slice sorted str sum tuple zip
ArithmeticError AssertionError IndexError KeyError LookupError OverflowError RuntimeError TimeoutError
TypeError UnicodeError ValueError ZeroDivisionError
"""
_BUILTINS = frozenset(_VALUES.split())
# Through these everything can be reached: no name of theirs may be used or taken more often than before.
_WAYS = """
__import__ __builtins__ __loader__ __spec__ eval exec compile open input breakpoint globals locals vars dir
getattr setattr delattr hasattr type object super classmethod staticmethod property memoryview exit quit help
copyright credits license callable id hash
"""
_DOORS = frozenset(_WAYS.split())
# Methods of texts, collections, numbers and times that neither read nor write anything else.
_HARMLESS = """
add append appendleft capitalize casefold clear copy count difference discard endswith extend find get index
insert intersection isalnum isalpha isascii isdigit isdecimal isdisjoint islower isnumeric isprintable isspace
issubset issuperset isupper items join keys lower lstrip most_common partition pop popleft remove removeprefix
removesuffix reverse rfind rindex rpartition rsplit rstrip setdefault sort split splitlines startswith strip
swapcase symmetric_difference title union update upper values zfill
is_integer bit_length group groups start end span lastindex
total_seconds timestamp isoformat date time year month day hour minute second microsecond
"""
_METHODS = frozenset(_HARMLESS.split())
# Of whole modules, what is harmless.
_OF_MODULES = {
    "asyncio": frozenset({"sleep", "wait_for", "timeout", "shield", "TimeoutError", "CancelledError"}),
    "math": frozenset({"isfinite", "isnan", "isinf", "floor", "ceil", "inf", "nan", "sqrt", "log", "exp"}),
    "re": frozenset({"compile", "fullmatch", "match", "search", "sub", "split", "findall", "IGNORECASE"}),
    "time": frozenset({"monotonic"}),
    "unicodedata": frozenset({"normalize", "category", "combining"}),
}


def objections(before: ast.Module, after: ast.Module) -> list[str]:
    """What of the code after an edit reaches further than the code before."""
    return [
        *_imports(before, after),
        *_doors(before, after),
        *_names(before, after),
        *_attributes(before, after),
        *_whole_modules(before, after),
        *_assigned(before, after),
        *_texts(before, after),
    ]


def _imports(before: ast.Module, after: ast.Module) -> Iterator[str]:
    known = set(_imported(before))
    for one in _imported(after):
        if one not in known:
            yield f"it imports {'.'.join(filter(None, one[:2]))}"


def _imported(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """(module, name, as) of all that is imported."""
    for node in of(tree, ast.Import, ast.ImportFrom):
        for alias in node.names:  # type: ignore[attr-defined]
            taken = alias.asname or alias.name
            if isinstance(node, ast.ImportFrom):
                yield f"{'.' * node.level}{node.module or ''}", alias.name, taken
            else:
                yield alias.name, "", taken


def _doors(before: ast.Module, after: ast.Module) -> Iterator[str]:
    there = [name for name, _ in _every_name(before)]
    now = [name for name, _ in _every_name(after)]
    for name in sorted(_DOORS & set(now)):
        if now.count(name) > there.count(name):
            yield f"it uses the name {name}"


def _names(before: ast.Module, after: ast.Module) -> Iterator[str]:
    bound = {taken.split(".")[0] for _, _, taken in _imported(after)} | _taken(after)
    known = {name for name, _ in _every_name(before)} | bound | _BUILTINS
    used = {name for name, is_used in _every_name(after) if is_used}
    for name in sorted(used - known - _DOORS):
        yield f"it uses the name {name}"


def _taken(tree: ast.Module) -> set[str]:
    """Names that get a value otherwise than by an import."""
    return {name for name, is_used in _every_name(tree) if not is_used}


def _every_name(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """(name, whether it is used) wherever one stands: else it is given a value, or is an argument's."""
    for node in ast.walk(tree):
        match node:
            case ast.Name():
                yield node.id, isinstance(node.ctx, ast.Load)
            case ast.arg():
                yield node.arg, False
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, False
            case (
                ast.ExceptHandler(name=str(name))
                | ast.MatchAs(name=str(name))
                | ast.MatchStar(name=str(name))
            ):
                yield name, False


def _attributes(before: ast.Module, after: ast.Module) -> Iterator[str]:
    modules = _modules(after)
    known = {node.attr for node in ast.walk(before) if isinstance(node, ast.Attribute)}
    known |= set(_own_attributes(after)) | _METHODS
    for node in new(of(before, ast.Attribute), of(after, ast.Attribute)):
        assert isinstance(node, ast.Attribute)  # noqa: S101  that is what was asked for
        root = node.value.id if isinstance(node.value, ast.Name) else ""
        if root in modules:
            yield from _of_module(before, modules[root], node)
        elif node.attr.startswith("__") or (node.attr.startswith("_") and root != "self"):
            yield f"it reaches into {code(node)}"
        elif node.attr not in known:
            yield f"it uses the attribute {code(node)}"
    # A path has the same name for something else than texts have.
    for node in new(of(before, ast.Attribute), of(after, ast.Attribute)):
        if isinstance(node, ast.Attribute) and node.attr == "replace" and not _replaces_text(after, node):
            yield f"it uses {code(node)} other than on a text"


def _of_module(before: ast.Module, module: str, node: ast.Attribute) -> Iterator[str]:
    used = {
        one.attr
        for one in ast.walk(before)
        if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id == module
    }
    if node.attr not in used | _OF_MODULES.get(module, frozenset()):
        yield f"it uses {code(node)}"


def _replaces_text(tree: ast.Module, node: ast.Attribute) -> bool:
    """Whether it is called with two values, or as for a time by names alone."""
    for call in of(tree, ast.Call):
        if isinstance(call, ast.Call) and call.func is node:
            starred = any(isinstance(one, ast.Starred) for one in call.args)
            names = {word.arg for word in call.keywords}
            times = {"tzinfo", "year", "month", "day", "hour", "minute", "second", "microsecond", "fold"}
            if not call.args:
                return bool(names) and names <= times
            return len(call.args) >= 2 and not starred and None not in names
    return False


def _modules(tree: ast.Module) -> dict[str, str]:
    """{its name here: name of a module} of those that are imported whole."""
    return {taken.split(".")[0]: module.split(".")[0] for module, name, taken in _imported(tree) if not name}


def _own_attributes(tree: ast.Module) -> Iterator[str]:
    """Attributes that classes of the module have: their fields, methods, and what is set on `self`."""
    for node in of(tree, ast.ClassDef):
        for part in getattr(node, "body", ()):
            if isinstance(part, ast.ClassDef | Function):
                yield part.name
            elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                yield part.target.id
    for attribute in of(tree, ast.Attribute):
        if (
            isinstance(attribute, ast.Attribute)
            and isinstance(attribute.ctx, ast.Store)
            and _of_self(attribute)
        ):
            yield attribute.attr


def _whole_modules(before: ast.Module, after: ast.Module) -> Iterator[str]:
    """A module by itself, not what it has: from another name of it anything could be reached."""
    names = _modules(after)

    def bare(tree: ast.Module) -> list[ast.AST]:
        behind_dot = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        return [
            node
            for node in of(tree, ast.Name)
            if isinstance(node, ast.Name) and node.id in names and id(node) not in behind_dot
        ]

    for node in new(bare(before), bare(after)):
        yield f"it hands on the module {code(node)}"


def _assigned(before: ast.Module, after: ast.Module) -> Iterator[str]:
    """What gets another value that belongs to somebody else: attributes of others, imported names."""
    imported = {taken for _, _, taken in _imported(after)}
    for name in sorted(imported & _taken(after) - _taken(before)):
        yield f"it puts something else in the place of {name}"

    def stored(tree: ast.Module) -> list[ast.AST]:
        return [one for one in of(tree, ast.Attribute) if not isinstance(getattr(one, "ctx", None), ast.Load)]

    for node in new(stored(before), stored(after)):
        if isinstance(node, ast.Attribute) and not _of_self(node):
            yield f"it changes {code(node)}"
    for scope in new(of(before, ast.Global, ast.Nonlocal), of(after, ast.Global, ast.Nonlocal)):
        yield f"it changes names of another scope ({code(scope)})"


def _of_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self" and not node.attr.startswith("__")


def _texts(before: ast.Module, after: ast.Module) -> Iterator[str]:
    """A text that names what Python keeps for itself is a way to it."""
    for node in new(of(before, ast.Constant), of(after, ast.Constant)):
        value = getattr(node, "value", None)
        if isinstance(value, str | bytes) and "__" in str(value):
            yield f"it holds the text {code(node)}"

"""A small YAML file of a person's, read by its lines: every fault is told with the line and the fix.

The nodes are read, not the values that YAML would make of them: there `title: 1984` is a number, `title: No`
is a falsehood and `isbn: 0123456789` is octal. What a person wrote is what is meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medialift.errors import Permanent, Transient

LARGEST = 256_000
_EMPTY = ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True)
class Value:
    """What stands behind a name: a text, or a list of texts, and the line it begins at."""

    name: str
    line: int
    text: str = ""
    many: tuple[str, ...] | None = None

    @property
    def empty(self) -> bool:
        return not self.many if self.many is not None else not self.text


class Fault(Exception):
    """A value that cannot be taken: what is wrong, and what to write instead."""

    def __init__(self, what: str, fix: str) -> None:
        self.what, self.fix = what, fix
        super().__init__(what)


def read_values(path: Path) -> list[Value]:
    """All names of the file with what stands behind them, in order.

    Raises:
        Permanent: it is no YAML, not a list of names, or something that stands there cannot be read: every
            fault is named with its line.
        Transient: the file cannot be read now.
    """
    root = _root(path, _read(path))
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise Permanent(
            f"{path.name} is not a list of names with values (line {_line(root)})",
            str(path),
            'Write one field a line, such as "title: The Lighthouse Ledger"',
        )
    values, faults = [], []
    seen: dict[str, int] = {}
    for key, node in root.value:
        try:
            value = _value(key, node)
            if value.name in seen:
                raise Fault(
                    f"{value.name} is said twice, first in line {seen[value.name]}", "keep one of both"
                )
            seen[value.name] = value.line
            values.append(value)
        except Fault as fault:
            faults.append(f"line {_line(key)}: {fault.what}: {fault.fix}")
    raise_all(path, faults)
    return values


def raise_all(path: Path, faults: list[str]) -> None:
    """Tell all faults of a file at once.

    Raises:
        Permanent: there is one.
    """
    if faults:
        shown = "; ".join(faults[:20])
        raise Permanent(f"{path.name} cannot be understood: {shown}", str(path), "Correct these lines")


def converted(
    path: Path, values: list[Value], readers: Mapping[str, Callable[[Value], Any]]
) -> dict[str, Any]:
    """The values by name, each made what it is to be by the reader of its name; others are left out.

    Raises:
        Permanent: readers raised `Fault`: all of them, with their lines.
    """
    read, faults = {}, []
    for value in values:
        if value.name in readers and not value.empty:
            try:
                read[value.name] = readers[value.name](value)
            except Fault as fault:
                faults.append(f"line {value.line}: {fault.what}: {fault.fix}")
    raise_all(path, faults)
    return read


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except PermissionError as error:
        raise Permanent(f"{path.name} cannot be read", str(path), "Let medialift's user read it") from error
    except OSError as error:
        raise Transient(f"{path.name} cannot be read ({error.strerror})", str(path)) from error
    if len(raw) > LARGEST:
        raise Permanent(f"{path.name} is larger than {LARGEST} bytes", str(path), "It is to hold one book")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise Permanent(f"{path.name} is not UTF-8 (line {line})", str(path), "Save it as UTF-8") from error


def _root(path: Path, text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Permanent(
            f"{path.name} is no YAML: line {line}: {error.problem}",
            str(path),
            'Put a text that holds ": " or begins with a sign into "quotation marks"',
        ) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise Permanent(f"{path.name} is no YAML", str(path), "Write one field a line") from error


def _value(key: yaml.Node, node: yaml.Node) -> Value:
    if not isinstance(key, yaml.ScalarNode):
        raise Fault("a name is to be one word", 'write it as in "title: …"')
    name = str(key.value).strip()
    if isinstance(node, yaml.ScalarNode):
        return Value(name, _line(key), text=_text(node))
    if isinstance(node, yaml.SequenceNode):
        return Value(name, _line(key), many=tuple(filter(None, _texts(name, node))))
    raise Fault(
        f"{name} holds names with values, and is to hold a text or a list",
        f'write "{name}: …", or a list with a line "- …" each',
    )


def _texts(name: str, node: yaml.SequenceNode) -> Iterator[str]:
    for one in node.value:
        if not isinstance(one, yaml.ScalarNode):
            raise Fault(
                f"{name} has an entry that is no text (line {_line(one)})",
                'put it into "quotation marks"',
            )
        yield _text(one)


def _text(node: yaml.ScalarNode) -> str:
    # Only a null that is not quoted is one: `title: "null"` is a title.
    return "" if node.style is None and node.value in _EMPTY else str(node.value).strip()


def _line(node: yaml.Node) -> int:
    return node.start_mark.line + 1

"""The map from one server's media paths to another's: read, checked, turned round, applied to one path."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import yaml

from medialift.errors import Permanent

_WINDOWS = re.compile(r"^(?:[A-Za-z]:\\|\\\\[^\\/]+\\[^\\/]+)")
_HINT = 'Write it as {"/path/at/home": "/path/in/the/cloud"}'

# Plex leaves these as they are in a `file://` url; space, comma, percent and all beyond ASCII are encoded.
URL_SAFE = "/(){}:"


@dataclass(frozen=True)
class Mapped:
    """One line of a map: a folder and where it is on the other side, both absolute, without a final slash."""

    old: str
    new: str

    @property
    def old_separator(self) -> str:
        """What stands between folders on the old side: "\\" for Windows, else "/"."""
        return separator(self.old)

    @property
    def new_separator(self) -> str:
        return separator(self.new)

    def rest(self, path: str) -> str | None:
        """What follows the old prefix in `path`, its separator first; "" for the prefix, None beside it.

        A prefix matches whole folder names only, byte by byte: no case folding, no Unicode normalisation.
        """
        if path == self.old:
            return ""
        if path.startswith(self.old + self.old_separator):
            return path[len(self.old) :]
        return None

    def apply(self, path: str) -> str | None:
        """`path` on the other side; None when it does not lie below the old prefix."""
        rest = self.rest(path)
        if rest is None:
            return None
        if self.old_separator != self.new_separator:
            rest = rest.replace(self.old_separator, self.new_separator)
        return self.new + rest


@dataclass(frozen=True)
class PathMap:
    """All lines of a map, the longest old prefix first: the first that matches a path decides.

    Make one with `of` or `load`, which check it.
    """

    lines: tuple[Mapped, ...] = ()

    @classmethod
    def of(cls, mappings: Mapping[str, str] | Iterable[tuple[str, str]] | PathMap) -> PathMap:
        """Check pairs of old and new prefix and put them in order. An empty map is fine: it maps nothing.

        Raises:
            Permanent: a path is not absolute, ends in a separator or has empty or dotted parts; an old or a
                new prefix is there twice; a new prefix lies inside another new one, so that no map back
                exists.
        """
        if isinstance(mappings, PathMap):
            return mappings
        pairs = list(mappings.items() if isinstance(mappings, Mapping) else mappings)
        lines = [Mapped(_path(old, "from"), _path(new, "to")) for old, new in pairs]
        _once([line.old for line in lines], "is mapped twice")
        _once([line.new for line in lines], "is the target of two mappings, so there is no way back")
        for outer in lines:
            for inner in lines:
                if inner is not outer and _below(inner.new, outer.new) and inner.old != inner.new:
                    raise Permanent(
                        "Two targets of the path map overlap, so there is no way back",
                        f"{inner.new} lies inside {outer.new}",
                        "Map to folders that lie beside each other"
                        if outer.apply(inner.old) != inner.new
                        else f"Leave out {inner.old}: {outer.old} already covers it",
                    )
        return cls(tuple(sorted(lines, key=lambda line: (-len(line.old), line.old))))

    @classmethod
    def load(cls, path: Path) -> PathMap:
        """Read a JSON or YAML file: {"mappings": {old: new}}, {old: new}, or a list of {from, to}.

        Raises:
            Permanent: there is no such file, it is malformed or empty, or as in `of`.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise Permanent("There is no such path map", str(path), "Check the path") from None
        except UnicodeDecodeError as error:
            raise Permanent("The path map is not UTF-8 text", str(path), _HINT) from error
        try:
            content = _parsed(text)
        except yaml.YAMLError as error:
            raise Permanent("The path map is malformed", f"{path}: {_first_line(error)}", _HINT) from error
        except Permanent as error:
            raise Permanent(error.what, f"{path}: {error.subject}", error.hint) from None
        try:
            return cls.of(_pairs(content))
        except Permanent as error:
            raise Permanent(error.what, f"{path}: {error.subject}", error.hint) from None

    def inverse(self) -> PathMap:
        """The way back.

        Unlike a map that is written by hand, it may have targets inside each other: `/m` and `/m/deep` that
        went to places of their own come back into each other.
        """
        lines = (Mapped(line.new, line.old) for line in self.lines)
        return PathMap(tuple(sorted(lines, key=lambda line: (-len(line.old), line.old))))

    def to_dict(self) -> dict[str, str]:
        """{old: new}, as in a manifest."""
        return {line.old: line.new for line in self.lines}

    @property
    def olds(self) -> tuple[str, ...]:
        return tuple(line.old for line in self.lines)

    @property
    def news(self) -> tuple[str, ...]:
        return tuple(line.new for line in self.lines)

    @property
    def changes_nothing(self) -> bool:
        """Whether every path stays what it is."""
        return all(line.old == line.new for line in self.lines)

    @property
    def feeds_itself(self) -> bool:
        """Whether a mapped path can be mapped again (a swap, a chain, a folder moved into itself).

        One pass does that right; a second pass would undo it or do it twice.
        """
        moved = [line for line in self.lines if line.old != line.new]
        return any(
            _same_or_below(target.new, source.old) or _below(source.old, target.new)
            for target in moved
            for source in moved
        )

    def find(self, path: str) -> Mapped | None:
        """The line that decides about `path`."""
        return next((line for line in self.lines if line.rest(path) is not None), None)

    def map(self, path: str) -> str:
        """`path` on the other side; itself when no line covers it."""
        line = self.find(path)
        mapped = line.apply(path) if line else None
        return path if mapped is None else mapped

    def find_url(self, url: str) -> Mapped | None:
        """The line that decides about a `file://` url."""
        return next((line for line in self.lines if url_rest(url, line.old) is not None), None)

    def map_url(self, url: str) -> str:
        """A `file://` url on the other side; what follows the prefix keeps its encoding, byte for byte.

        `blob://` and all other urls stay.
        """
        line = self.find_url(url)
        rest = url_rest(url, line.old) if line else None
        if line is None or rest is None or line.old == line.new:
            return url
        written = url[len("file://") : len(url) - len(rest)]
        # A url that was written without encoding stays so.
        plain = written == _url_path(line.old) != _encoded(line.old)
        return f"file://{_url_path(line.new) if plain else _encoded(line.new)}{rest}"


def separator(path: str) -> str:
    """What stands between the folders of an absolute path: a backslash for Windows, else a slash."""
    return "\\" if _WINDOWS.match(path) else "/"


def url_rest(url: str, prefix: str) -> str | None:
    """What follows a folder in a `file://` url, still encoded; None when it does not lie below it.

    Encoded and plain characters match alike: which of them Plex encodes is not known for all of them.
    """
    if not url.startswith("file://"):
        return None
    wanted = _url_path(prefix).encode("utf-8", "surrogateescape")
    # An encoded text is at most three times as long: only so much has to be looked at.
    at, seen, got = len("file://"), 0, bytearray()
    while seen < len(wanted):
        if at >= len(url):
            return None
        if url[at] == "%" and _HEX.match(url, at + 1):
            got += unquote_to_bytes(url[at : at + 3])
            at += 3
        else:
            got += url[at].encode("utf-8", "surrogateescape")
            at += 1
        if not wanted.startswith(got):
            return None
        seen = len(got)
    rest = url[at:]
    if rest == "" or rest.startswith("/"):
        return rest
    return rest if rest[:3].upper() == "%2F" else None


_HEX = re.compile("[0-9A-Fa-f]{2}")


def _url_path(path: str) -> str:
    """A path as it stands in a url: `D:\\Films` becomes `/D:/Films`, a share `//server/share`."""
    if separator(path) == "/":
        return path
    slashed = path.replace("\\", "/")
    return slashed if slashed.startswith("//") else "/" + slashed


def _encoded(path: str) -> str:
    return quote(_url_path(path).encode("utf-8", "surrogateescape"), safe=URL_SAFE)


def _path(value: Any, role: str) -> str:
    if not isinstance(value, str) or not value:
        raise Permanent(f"A '{role}' of the path map is no path", repr(value), _HINT)
    windows = bool(_WINDOWS.match(value))
    if not windows and not value.startswith("/"):
        hint = "Write it with backslashes" if re.match(r"^[A-Za-z]:", value) else _HINT
        raise Permanent("A path of the path map is not absolute", value, hint)
    mark = "\\" if windows else "/"
    if value.endswith(mark) or (windows and value.endswith("/")):
        short = value.rstrip("\\/")
        hint = f"Write it as {short}" if short.strip(":") else "The root folder as a whole cannot be mapped"
        raise Permanent("A path of the path map ends in a separator", value, hint)
    body = value[2:] if windows else value[1:]
    parts = body.lstrip("\\").split(mark) if windows else body.split(mark)
    if any(part in ("", ".", "..") for part in parts) or "\0" in value:
        raise Permanent("A path of the path map has an empty or dotted part", value, "Write it out in full")
    return value


def _below(path: str, folder: str) -> bool:
    return path.startswith(folder + separator(folder))


def _same_or_below(path: str, folder: str) -> bool:
    return path == folder or _below(path, folder)


def _once(paths: list[str], what: str) -> None:
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise Permanent(f"A path of the path map {what}", path, "Keep one of them")
        seen.add(path)


def _pairs(content: Any) -> list[tuple[str, str]]:
    if isinstance(content, Mapping) and set(content) == {"mappings"}:
        content = content["mappings"]
    if isinstance(content, Mapping):
        return list(content.items())
    if isinstance(content, list):
        for entry in content:
            if not isinstance(entry, Mapping) or set(entry) != {"from", "to"}:
                raise Permanent("An entry of the path map is not {from, to}", repr(entry), _HINT)
        return [(entry["from"], entry["to"]) for entry in content]
    raise Permanent("The path map is empty or no map", type(content).__name__, _HINT)


def _parsed(text: str) -> Any:
    """JSON, or else YAML, which may begin with a bracket too. Both readers refuse a key given twice."""
    with suppress(json.JSONDecodeError):
        return json.loads(text, object_pairs_hook=_object)
    return yaml.load(text, Loader=_UniqueKeys)  # noqa: S506  derived from SafeLoader


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _once([key for key, _ in pairs], "is mapped twice")
    return dict(pairs)


class _UniqueKeys(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        _once([str(self.construct_object(key)) for key, _ in node.value], "is mapped twice")
        return super().construct_mapping(node, deep)


def _first_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)

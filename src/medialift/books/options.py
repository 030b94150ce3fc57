"""What one call of books is asked: which settings it changes, which books, how long, which items again.

The commands and the Ansible module both give these; values may be strings, as surveys give them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from medialift import settings
from medialift.errors import Permanent
from medialift.foundation.units import parse_duration

_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "")


@dataclass(frozen=True)
class Options:
    """One call.

    Attributes:
        config: the settings file; None: the one in use.
        origin: who gives these, for messages ("the module's options").
        database: address of the ledger's database; "": as the settings say.
        books: names of `[books]` with values that this call puts in their place.
        selection: the subset, as `books.selection.Selection` takes it: authors, tags, languages, formats,
            ids, exclude, newest_first. Empty: the whole library.
        check: predict only.
        items: end after so many books; None: no such bound.
        seconds: end after so many seconds; None: no such bound.
        workers: processes that work here at once.
        ids: books of Calibre that `retry` and `cancel` mean; empty: see `kinds` and `every`.
        kinds: kinds of error whose books `retry` takes up again, such as "too large".
        every: all of them.
        why: what a person wants to be remembered about a pause or a cancellation.
        progress: folder with the progress files of the first script, for `adopt`.
    """

    config: Path | None = None
    origin: str = "this call"
    database: str = ""
    books: Mapping[str, Any] = field(default_factory=dict)
    selection: Mapping[str, Any] = field(default_factory=dict)
    check: bool = False
    items: int | None = None
    seconds: float | None = None
    workers: int = 1
    ids: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    every: bool = False
    why: str = ""
    progress: Path | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """Options from names and values; a value of None counts as not given.

        Names are those of the attributes and, directly, those of the settings' `[books]`.

        Raises:
            Permanent: a name or a value is wrong.
        """
        wanted = {name: value for name, value in given.items() if value is not None}
        ours = {one.name for one in fields(cls)}
        sections = set(settings.BooksSettings.model_fields)
        unknown = sorted(set(wanted) - ours - sections)
        if unknown:
            raise Permanent(
                "There is no such option",
                ", ".join(unknown),
                f"There are: {', '.join(sorted(ours | sections))}",
            )
        books = {name: wanted[name] for name in wanted if name in sections}
        direct = {name: _cast(name, wanted[name]) for name in wanted if name in ours}
        return cls(**{**direct, "books": {**direct.get("books", {}), **books}})

    def read_settings(self) -> settings.Settings:
        """The settings with what this call changes.

        Raises:
            Permanent: a value is wrong.
        """
        loaded = settings.load(self.config)
        over: dict[str, Mapping[str, Any]] = {}
        if self.books:
            over["books"] = self.books
        if self.database:
            over["database"] = {"url": self.database, "embedded": None}
        return settings.overriding(loaded, over, origin=self.origin) if over else loaded.settings

    def for_workers(self) -> dict[str, Any]:
        """What another process needs to read the same settings, for `of`; secrets are in it."""
        given = {"config": self.config and str(self.config), "origin": self.origin, "books": dict(self.books)}
        return {**given, "database": self.database}


def _cast(name: str, value: Any) -> Any:
    try:
        if name in ("check", "every"):
            return _truth(value)
        if name in ("items", "workers"):
            return _positive(value)
        if name == "seconds":
            return parse_duration(value)
        if name == "ids":
            return tuple(_positive(one) for one in _parts(value))
        if name == "kinds":
            return tuple(str(one) for one in _parts(value))
        if name in ("config", "progress"):
            return Path(value)
        if name in ("books", "selection"):
            return dict(value)
        return str(value)
    except (TypeError, ValueError):
        raise Permanent("This option has a wrong value", f"{name}: {value!r}", "See what it takes") from None


def _parts(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [value] if isinstance(value, int) else list(value)


def _positive(value: Any) -> int:
    number = int(value)
    if number < 1:
        raise ValueError(value)
    return number


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in (*_TRUE, *_FALSE):
        raise ValueError(value)
    return text in _TRUE

"""From what a person means to the pictures of a batch: of the server, of a folder, or of what was kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, text

from medialift.errors import Permanent
from medialift.posters.batches import NO_PICTURE, NOT_THERE, Wanted
from medialift.posters.jellyfin import Entry
from medialift.posters.names import ADDED, ENDINGS, id_of_file
from medialift.posters.task import Task

Which = Literal["first", "last"]
_SUFFIXES = frozenset({*ENDINGS.values(), ".jpeg"})
_MANY = 20

_OF_BATCH = text("""
select b.image, p.jellyfin_id as id, p.name, p.kind, p.replaced
  from poster_batch b join poster_item p on p.batch_id = b.id
 where b.collection = :collection and b.id = :batch and p.replaced is not null
 order by p.item_id
""")
_BATCH = text("select action from poster_batch where collection = :collection and id = :batch")
_KEPT = """
select distinct on (k.jellyfin_id) k.jellyfin_id as id, k.sha256,
       coalesce((select p.name from poster_item p where p.jellyfin_id = k.jellyfin_id
                  order by p.item_id desc limit 1), '') as name
  from poster_kept k
 where k.collection = :collection and k.image = :image
   and (cast(:ids as text[]) is null or k.jellyfin_id = any(cast(:ids as text[])))
 order by k.jellyfin_id, {order}
"""
_FIRST = text(_KEPT.format(order="k.first_kept"))
_LAST = text(_KEPT.format(order="k.last_kept desc"))


@dataclass(frozen=True)
class Files:
    """The pictures of a folder: {id: file}, and what was left, with the reason."""

    of: dict[str, Path] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)


def downloads(entries: Sequence[Entry], asked: Iterable[str], image: str, *, replace: bool) -> list[Wanted]:
    """The pictures of the server's items.

    Args:
        asked: ids that were named; those that the server does not tell of are asked for all the same, so that
            what is wrong with each is told.
    """
    told = {one.id: one for one in entries}
    wanted = [
        Wanted(
            Task(0, "download", one.id, image, one.title, one.tags.get(image, ""), replace),
            one.kind,
            "" if image in one.tags else NO_PICTURE,
        )
        for one in entries
    ]
    return wanted + [
        Wanted(Task(0, "download", id, image, replace=replace)) for id in asked if id not in told
    ]


def files(folder: Path) -> Files:
    """The pictures that lie directly in a folder. Their names end in `[ID]`, or are the id.

    Raises:
        Permanent: it cannot be read.
    """
    try:
        there = sorted(one for one in folder.iterdir() if not one.name.startswith("."))
    except OSError as error:
        raise Permanent(
            "The folder of pictures cannot be read", f"{folder}: {error.strerror}", "Name another"
        ) from error
    found, left = Files(), {}
    for file in there:
        id = id_of_file(file.stem)
        if file.suffix.lower() not in _SUFFIXES:
            left[file.name] = "its name does not end as that of a picture"
        elif id is None:
            left[file.name] = "there is no id in its name, as in `Name [ID].jpg`"
        elif id in found.of:
            left[file.name] = f"there is another of the same id: {found.of[id].name}"
        else:
            found.of[id] = file
    # Of two nobody knows which is meant.
    for name, why in left.items():
        for id, file in list(found.of.items()):
            if why.endswith(f": {file.name}"):
                del found.of[id]
                left = {**left, file.name: f"there is another of the same id: {name}"}
    return Files(found.of, left)


def uploads(found: Files, entries: Sequence[Entry], image: str) -> list[Wanted]:
    """The pictures of a folder, with the names that the server has for their items.

    Raises:
        Permanent: this kind is added to an item's others and replaces none.
    """
    if image in ADDED:
        raise Permanent(
            "A backdrop that is uploaded is added to the others and replaces none",
            image,
            "Upload it in Jellyfin, where you see which are there",
        )
    told = {one.id: one for one in entries}
    return [
        Wanted(
            Task(0, "upload", id, image, told[id].title if id in told else file.stem, source=str(file)),
            told[id].kind if id in told else "",
        )
        for id, file in found.of.items()
    ]


def undo(connection: Connection, collection: str, batch: int) -> tuple[str, list[Wanted]]:
    """What a batch replaced, or may have: the kind of picture, and what is to be put back.

    It goes by what was kept before each change, so also what was sent by an attempt that did not live to tell
    is put back; what never arrived is there still, and is skipped.

    Raises:
        Permanent: there is no such batch, or it replaced nothing.
    """
    given = {"collection": collection, "batch": batch}
    if connection.execute(_BATCH, given).first() is None:
        raise Permanent(NOT_THERE, str(batch), "See `medialift posters status`")
    rows = connection.execute(_OF_BATCH, given).all()
    if not rows:
        raise Permanent("This batch replaced nothing", str(batch), "Only an upload or a restore does")
    return rows[0].image, [_back(row.image, row, row.replaced) for row in rows]


def kept(
    connection: Connection, collection: str, image: str, ids: Sequence[str] | None, which: Which
) -> list[Wanted]:
    """What was kept of these items, or of all: the first that was ever replaced, or the last.

    Raises:
        Permanent: nothing was kept of one that is named.
    """
    statement = _FIRST if which == "first" else _LAST
    given = {"collection": collection, "image": image, "ids": None if ids is None else list(ids)}
    rows = connection.execute(statement, given).all()
    missing = sorted(set(ids or ()) - {row.id for row in rows})
    if missing:
        raise Permanent(
            "Nothing was kept of these items",
            ", ".join(missing[:_MANY]),
            "None of them was replaced",
        )
    return [_back(image, row, row.sha256) for row in rows]


def _back(image: str, row: Any, sha256: str) -> Wanted:
    return Wanted(Task(0, "restore", row.id, image, row.name, to=sha256), getattr(row, "kind", ""))

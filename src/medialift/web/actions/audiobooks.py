"""What is done to single audiobooks: take as it is, make again, tag, say what it is, let pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medialift.audiobooks import asked, overrides
from medialift.audiobooks.stages import CONVERT, DELIVER, TAG, Stage, key_of, parted
from medialift.web.actions.acting import Acting, Item, refuse_worked_on
from medialift.web.actions.items import Done, refuse_other_inbox
from medialift.web.confirming import confirmed
from medialift.web.problems import Problem


def skip_conversion(acting: Acting, number: int) -> Done:
    """Have a book that is still to be converted taken as it is; what would have to be encoded then fails."""
    item = _conversion(acting, number)
    if item.state == "done":
        raise Problem(409, "This book is converted already", item.subject, "Have it made again first")
    count = int(asked.without_conversion(acting.connection, number))
    return _noted(acting, "skip conversion", item, count, {"conversion": "none"})


def reprocess(acting: Acting, number: int, *, confirm: str | None) -> Done:
    """Make a book again from its sources; what was made of them before is replaced, in libraries too."""
    item = _conversion(acting, number)
    confirmed(
        confirm,
        "reprocess",
        "The book would be made again from its sources, and what was said of it and written into it is lost",
    )
    count = int(asked.from_scratch(acting.connection, number))
    return _noted(acting, "reprocess", item, count, {"state": "ready"})


def tag(acting: Acting, number: int) -> Done:
    """Send a converted book to tagging, anew when it was tagged."""
    item, name = _converted(acting, number)
    asked.tag(acting.connection, acting.within.settings.audiobooks, name)
    return _noted(acting, "tag", item, 1, {"item": key_of(TAG, name), "state": "ready"})


def override(
    acting: Acting, number: int, told: Mapping[str, Any], *, before: Mapping[str, Any] | None = None
) -> Done:
    """Say what a book is: its ASIN, or any field. It is tagged again, and what is said wins.

    Args:
        told: values by field; None takes an earlier one back.
        before: what was said of it so far, for the audit; None: it is not known here.
    """
    item, name = _converted(acting, number)
    if not told:
        raise Problem(422, "Nothing is said of the book", item.subject, f"Say {', '.join(overrides.FIELDS)}")
    said = asked.tag(acting.connection, acting.within.settings.audiobooks, name, told)
    acting.audit(
        "override",
        _subject(item, TAG, name),
        before=None if before is None else {field: before.get(field) for field in told},
        after={field: said.get(field) for field in told},
    )
    return Done(1)


def approve(acting: Acting, number: int, destinations: Sequence[str] = ()) -> Done:
    """Let a book that waits for a person go to its libraries, or to some of them."""
    item, name = _converted(acting, number)
    changed = asked.approve(
        acting.connection,
        acting.within.settings.audiobooks,
        name,
        by=acting.who,
        at=acting.within.clock.now(),
        destinations=destinations,
    )
    after = {"approved": True, "destinations": list(destinations) or "all"}
    if changed:
        acting.audit("approve", _subject(item, DELIVER, name), before=item.to_dict(), after=after)
    return Done(int(changed))


def name_of(item: Item) -> str:
    """The name of a book's folder in converted; "" when it did not come so far."""
    stage, name = parted(item.key)
    if stage != CONVERT:
        return name
    return str((item.result or {}).get("name", ""))


def of_book(acting: Acting, number: int) -> Item:
    """An item of the dashboard's own inbox.

    Raises:
        Problem: 404, there is no such item; 409, it is of something else.
    """
    item = _audiobook(acting, number)
    refuse_other_inbox(acting, item)
    return item


def _audiobook(acting: Acting, number: int) -> Item:
    item = acting.item(number, lock=True)
    if item.pipeline != "audiobooks":
        raise Problem(409, "This is no audiobook", item.subject, "Only audiobooks can be changed so")
    return item


def _conversion(acting: Acting, number: int) -> Item:
    item = _audiobook(acting, number)
    if parted(item.key)[0] != CONVERT:
        raise Problem(409, "This is no conversion", item.subject, "Choose the book's item convert/…")
    refuse_worked_on(item)
    return item


def _converted(acting: Acting, number: int) -> tuple[Item, str]:
    item = of_book(acting, number)
    if not (name := name_of(item)):
        raise Problem(409, "This book is not converted yet", item.subject, "Wait until it is")
    return item, name


def _subject(item: Item, stage: Stage, name: str) -> str:
    return f"{item.pipeline}:{item.collection}/{key_of(stage, name)}"


def _noted(acting: Acting, what: str, item: Item, count: int, after: Mapping[str, Any]) -> Done:
    if count:
        acting.audit(what, item.subject, before=item.to_dict(), after=after)
    return Done(count)

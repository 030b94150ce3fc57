"""What is done to single items of any pipeline: try again, cancel, hold, let go, prefer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medialift.audiobooks import asked
from medialift.books import retrying as books
from medialift.books.means import SAFETY
from medialift.errors import MedialiftError
from medialift.posters import batches as posters
from medialift.queueing import doorbell, items
from medialift.queueing.items import Which
from medialift.web import problems
from medialift.web.actions.acting import Acting, Item, refuse_worked_on
from medialift.web.problems import Problem

MOST_AT_ONCE = 500


@dataclass(frozen=True)
class Refusal:
    """Why one of many was left as it is."""

    id: int
    what: str
    subject: str
    hint: str


@dataclass(frozen=True)
class Done:
    """What an action came to.

    Attributes:
        count: items that are otherwise than before.
        refused: of many, those that were left as they are.
    """

    count: int
    refused: tuple[Refusal, ...] = ()

    @property
    def changed(self) -> bool:
        return self.count > 0


def retry(acting: Acting, number: int) -> Done:
    """Try an item again, with all its attempts; one that waits for a later attempt is tried in its turn."""
    item = acting.item(number, lock=True)
    refuse_worked_on(item)
    if item.state == "paused":
        raise Problem(409, "This item is held", item.subject, "Let it go instead")
    count = _again(acting, item)
    if count:
        acting.audit("retry", item.subject, before=item.to_dict(), after={"state": "ready"})
    return Done(count)


def retry_many(acting: Acting, numbers: Sequence[int]) -> Done:
    """The same for several; what cannot be tried again does not keep the others from it."""
    count, refused = 0, []
    for number in dict.fromkeys(numbers):
        try:
            # A savepoint: what the database refuses for one is undone, and the others go on.
            with acting.connection.begin_nested():
                count += retry(acting, number).count
        except (Problem, MedialiftError) as error:
            told = problems.of(error)
            refused.append(Refusal(number, told.what, told.subject, told.hint))
    return Done(count, tuple(refused))


def cancel(acting: Acting, number: int, why: str = "") -> Done:
    """Give an item up. A worker that has it in hand ends as soon as it hears of it. `retry` takes it up."""
    item = acting.item(number, lock=True)
    of = (item.pipeline, item.collection, Which.named([item.key]))
    count = items.cancel(acting.connection, *of, why=why or "by hand")
    if count:
        after = {"state": "leased until its worker hears of it" if item.state == "leased" else "cancelled"}
        acting.audit("cancel", item.subject, before=item.to_dict(), after={**after, "why": why})
    return Done(count)


def hold(acting: Acting, number: int) -> Done:
    """Have an item that is ready not be begun."""
    item = acting.item(number, lock=True)
    refuse_worked_on(item)
    count = items.pause(acting.connection, item.pipeline, item.collection, Which.named([item.key]))
    return _changed(acting, item, "hold", count, "paused")


def release(acting: Acting, number: int) -> Done:
    """Let an item go on that was held."""
    item = acting.item(number, lock=True)
    count = items.resume(acting.connection, item.pipeline, item.collection, Which.named([item.key]))
    done = _changed(acting, item, "release", count, "ready")
    if count:
        doorbell.ring(acting.connection, item.pipeline, item.collection)
    return done


def prioritise(acting: Acting, number: int, priority: int) -> Done:
    """Have an item done before others (a higher number) or after them."""
    item = acting.item(number, lock=True)
    if item.priority == priority:
        return Done(0)
    of = (item.pipeline, item.collection, Which.named([item.key]))
    count = items.prioritise(acting.connection, *of, priority=priority)
    if count:
        acting.audit(
            "prioritise", item.subject, before={"priority": item.priority}, after={"priority": priority}
        )
    return Done(count)


def refuse_other_inbox(acting: Acting, item: Item) -> None:
    """Raises:
    Problem: 409, its folders are not those of the settings.
    """
    ours = acting.within.settings.audiobooks.collection
    if item.collection != ours:
        raise Problem(
            409,
            "This book is of another inbox than the dashboard's settings",
            item.subject,
            f"Here it is {ours}; use a dashboard, or the command, with the settings of that one",
        )


def _changed(acting: Acting, item: Item, what: str, count: int, state: str) -> Done:
    if count:
        acting.audit(what, item.subject, before={"state": item.state}, after={"state": state})
    return Done(count)


def _again(acting: Acting, item: Item) -> int:
    settings, connection = acting.within.settings, acting.connection
    which = Which.named([item.key])
    if item.pipeline == "audiobooks" and not (item.state == "ready" and item.later):
        # One that is done anew starts with all that it takes; it rings the bell itself.
        return int(item.state != "ready" and asked.again(connection, item.id))
    if item.state == "ready":
        count = items.hurry(connection, item.pipeline, item.collection, which) if item.later else 0
    elif item.pipeline == "books":
        count = books.retry(
            connection,
            item.collection,
            ids=[int(item.key)],
            largest=settings.books.max_upload - SAFETY,
            noted=False,
        ).books
    elif item.pipeline == "posters" and isinstance(item.payload.get("batch"), int):
        batch = item.payload["batch"]
        return posters.retry(connection, item.collection, batch, [item.id], who=acting.who)
    else:
        count = items.retry(connection, item.pipeline, item.collection, which)
    if count:
        doorbell.ring(connection, item.pipeline, item.collection)
    return count

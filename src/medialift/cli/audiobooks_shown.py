"""What `medialift audiobooks` shows to people: tables and sentences out of the same numbers as --json."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from shlex import quote
from typing import Any

from medialift.audiobooks.help_config import Row
from medialift.audiobooks.status import Status
from medialift.cli.face import Face
from medialift.foundation.units import format_duration, format_size

_DOING = {"convert": "converting", "tag": "tagging", "deliver": "delivering"}
_MARKS = {"person": "?", "refused": "✗", "failed": "✗"}
_SHOWN = 20
_AFTER = {
    "complete": "its sources could not be put away",
    "put_aside": "it failed and could not be moved aside",
    "tell": "people could not be told",
}


class Position:
    """How far it is, for a bar: what was left at most since it is watched is the whole."""

    def __init__(self) -> None:
        self._most = 0

    def of(self, now: Status) -> tuple[float, float | None, str]:
        """Steps of books that are done, of how many, and what is going on."""
        left = len(now.working) + len(now.queue)
        self._most = max(self._most, left)
        parts = [f"{_DOING[one.stage]} {one.name}" for one in now.working[:2]]
        if len(now.working) > 2:
            parts.append(f"and {len(now.working) - 2} more")
        again = sum(one.state == "again" for one in now.queue)
        parts += [f"{again} wait for another try"] if again else []
        parts += [f"{len(now.for_person)} need you"] if now.for_person else []
        # Without anything to do there is no total, and the bar says nothing of one.
        return float(self._most - left), float(self._most) if self._most else None, "; ".join(parts)


def status(face: Face, told: dict[str, Any]) -> None:
    """How it stands."""
    line = face.line
    control = told["control"]
    line(f"{told['collection']}: {_state(told)}" + (f" ({control['why']})" if control["why"] else ""))
    face.table(
        ["", "converted #", "failed #", "success", "average", "fastest", "slowest", "audio", "size #"],
        [_totals("lifetime", told["lifetime"]), _totals("this run", told["this_run"])],
    )
    tagging = told["tagging"]
    if tagging["tagged"] or tagging["person"] or tagging["failed"]:
        line(
            f"tagging: {tagging['tagged']} tagged, {tagging['person']} needed a person, "
            f"{tagging['failed']} failed; {_share(tagging['accuracy'])} right by itself"
        )
    if told["delivered"]:
        line(f"delivered: {told['delivered']}")
    backlog = told["backlog"]
    waits = [f"{backlog[stage]} to {stage}" for stage in _DOING if backlog.get(stage)]
    if waits:
        line(f"backlog: {', '.join(waits)}, {format_size(backlog['bytes'])} of sources")
    if told["todo"]:
        line(f"after the books: {told['todo']} sources to be put away, or people to be told")
    for one in told["hindered"]:
        line(
            f"  ! {_about(one['detail'])}: {_AFTER[one['what']]}, {one['tries']} tries so far: {one['error']}"
        )
    _working(face, told["working"])
    _conversions(face, told["recent"])
    _failures(face, told["failures"])
    _queue(face, told["queue"])
    _for_person(face, told["for_person"])


def _about(detail: dict[str, Any]) -> str:
    """The book that something remains to be done for."""
    return str(detail.get("name") or detail.get("book", {}).get("key") or detail.get("title") or "a book")


def once(face: Face, done: dict[str, Any]) -> None:
    """What one round did."""
    now = done["status"]
    line = face.line
    line(
        f"{done['found']} books lie in the inbox, {done['added']} of them new or changed; "
        f"{len(done['refused'])} are refused"
    )
    for one in done["refused"]:
        _refused(face, one)
    run = now["this_run"]
    line(
        f"{run['converted']} converted, {now['tagging']['this_run']['tagged']} tagged, {run['failed']} failed"
    )
    _conversions(face, now["recent"][: run["converted"] + run["failed"]])
    _failures(face, now["failures"][: run["failed"] or None] if run["failed"] else [])
    _queue(face, now["queue"])
    _for_person(face, now["for_person"])
    if not done["finished"]:
        line("It is not finished: what is left is taken up by the next run, or by the service.")


def settings(face: Face, rows: Sequence[Row]) -> None:
    """Every setting: on a terminal a paragraph each, in its section; else a row of a table."""
    if not face.out.is_terminal:
        face.table(
            ["setting", "type", "default", "environment", "old names", "what it is"],
            [
                (row.name, row.kind, row.default, row.variable, ", ".join(row.old), row.documentation)
                for row in rows
            ],
        )
        return
    section = ""
    for row in rows:
        within, _, name = row.name.rpartition(".")
        if within != section:
            section = within
            face.line(f"{'' if row is rows[0] else chr(10)}[{section}]")
        old = f"; was {', '.join(row.old)}" if row.old else ""
        face.line(f"{name} = {row.default or '(nothing)'}   ({row.kind}{old})")
        face.line(f"    {row.documentation}")
    face.line("\nIn the environment `cores` of [audiobooks] is MEDIALIFT_AUDIOBOOKS__CORES, and so on.")


def faults(face: Face, told: dict[str, Any]) -> None:
    """What is wrong with the set-up, or that it is right."""
    for mark, faults in (("✗", told["faults"]), ("!", told["warnings"])):
        for one in faults:
            face.line(f"{mark} {one['where']}: {one['what']}")
            face.line(f"    {one['fix']}")
    for old, new in told["old_variables"].items():
        face.note(f"{old} counts as {new}")
    for old, why in told["without_effect"].items():
        face.note(f"{old} has no effect: {why}")
    count = len(told["faults"])
    file = f" ({told['file']})" if told["file"] else ""
    if count:
        face.line(f"{count} {'thing is' if count == 1 else 'things are'} wrong{file}")
    else:
        face.line(f"All is right{file}")


def health(face: Face, found: dict[str, Any]) -> None:
    """Every check."""
    face.table(
        ["", "what", "how it is"],
        [
            ("✓" if one["ok"] else "✗" if one["needed"] else "!", one["name"], one["detail"])
            for one in found["checks"]
        ],
    )
    face.line("Ready" if found["ready"] else "Not ready")


def converted(face: Face, done: dict[str, Any]) -> None:
    """What became of books that were converted by hand."""
    rows = [
        (
            one["name"],
            _how(one["kind"]),
            format_duration(one["seconds"]),
            one["chapters"],
            format_duration(one["took"]),
        )
        for one in done["books"]
    ]
    if rows:
        face.table(["book", "how", "plays", "chapters #", "took"], rows)
    for one in done["books"]:
        face.line(one["file"])
        for problem in one["problems"]:
            face.line(f"! {one['name']}: {problem}")
    for one in done["failed"]:
        error = one["error"]
        face.line(f"✗ {one['key']}: {error['what']}")
        for part in (error["subject"], error["hint"]):
            if part:
                face.line(f"    {part}")
    for one in done["refused"]:
        _refused(face, one)


def tagged(face: Face, done: dict[str, Any], *, dry_run: bool) -> None:
    """The tags before and after, and what is still missing."""
    if done["changes"]:
        face.table(
            ["tag", "before", "after"],
            [(one["field"], _cut(one["old"]), _cut(one["new"])) for one in done["changes"]],
        )
    said = f"{done['why']} ({_share(done['confidence'])} sure)" if done["why"] else ""
    if dry_run:
        face.line(
            f"{done['name']}: {len(done['changes'])} tags would be changed" + (f"; {said}" if said else "")
        )
    else:
        face.line(f"{done['name']}: {_tag_state(done)}" + (f"; {said}" if said else ""))
    if done["candidates"] and done["needs_person"]:
        _candidates(face, done["candidates"])
    for need in done["needs_person"]:
        face.line(f"! {need}")
    if done["needs_person"]:
        face.line(
            f"Say what you know: medialift audiobooks tag {quote(done['name'])} --asin … or --set FIELD=VALUE"
        )


def chapters(face: Face, done: dict[str, Any], *, check: bool = False) -> None:
    """A list of chapters, and where it was written to."""
    face.table(
        ["#", "begins", "ends", "title"],
        [
            (number, _clock(one["start"]), _clock(one["end"]), one["title"])
            for number, one in enumerate(done["chapters"], 1)
        ],
    )
    if check:
        face.line(f"{done['book']} would {'get these' if done['changed'] else 'stay as it is'}")
    elif done["changed"]:
        face.line(f"Written to {done['target']}")
    elif done["target"]:
        face.line(f"{done['book']} has them already")


def _state(told: dict[str, Any]) -> str:
    working, queue, person = (len(told[name]) for name in ("working", "queue", "for_person"))
    parts = [f"{working} at work"] if working else []
    parts += [f"{queue} waiting"] if queue else []
    parts += [f"{person} for you"] if person else []
    here = [one for one in told["workers"] if one["state"] not in ("gone", "ended")]
    return (", ".join(parts) or "nothing to do") + ("" if here else "; no service runs")


def _totals(name: str, told: dict[str, Any]) -> tuple[Any, ...]:
    def seconds(value: float | None) -> str:
        return "" if value is None else format_duration(value)

    return (
        name,
        told["converted"],
        told["failed"],
        _share(told["success_rate"]),
        seconds(told["average"]),
        seconds(told["fastest"]),
        seconds(told["slowest"]),
        seconds(told["played"] or None),
        format_size(told["bytes"]),
    )


def _working(face: Face, rows: list[dict[str, Any]]) -> None:
    if rows:
        face.table(
            ["at work", "book", "try #", "size #", "worker"],
            [
                (_DOING[one["stage"]], one["name"], one["attempts"], format_size(one["bytes"]), one["worker"])
                for one in rows
            ],
        )


def _conversions(face: Face, rows: list[dict[str, Any]]) -> None:
    if rows:
        face.table(
            ["when", "book", "came out", "how", "plays", "took", "size #"],
            [
                (
                    _when(one["at"]),
                    one["name"] or one["key"],
                    one["outcome"],
                    _how(one["how"]),
                    format_duration(one["played"]) if one["played"] else "",
                    format_duration(one["seconds"]),
                    format_size(one["bytes"]),
                )
                for one in rows
            ],
            title="The last conversions",
        )


def _failures(face: Face, rows: list[dict[str, Any]]) -> None:
    if rows:
        face.line("The last failures:")
    for one in rows:
        face.line(f"  {_when(one['at'])} {one['stage']} {one['key']} (try {one['attempt']})")
        face.line(f"      {one['error_text']}")


def _queue(face: Face, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    face.table(
        ["waits", "step", "book", "size #", "again at", "why"],
        [
            (
                one["state"],
                one["stage"],
                one["name"],
                format_size(one["bytes"]),
                _when(one["again_at"]),
                one["why"],
            )
            for one in rows[:_SHOWN]
        ],
        title="What waits",
    )
    if len(rows) > _SHOWN:
        face.line(f"  and {len(rows) - _SHOWN} more")


def _for_person(face: Face, rows: list[dict[str, Any]]) -> None:
    """What only a person can bring further, with the words to type."""
    if rows:
        face.line("What needs you:")
    for one in rows[:_SHOWN]:
        face.line(f"  {_MARKS[one['state']]} {one['name']} ({one['stage']}, {one['state']})")
        for said in (one["why"], one["put_aside"], _next(one)):
            if said:
                face.line(f"      {said}")
        if candidates := (one["details"] or {}).get("candidates"):
            _candidates(face, candidates)
    if len(rows) > _SHOWN:
        face.line(f"  and {len(rows) - _SHOWN} more")


def _next(one: dict[str, Any]) -> str:
    """What to type when it is mended, or to mend it."""
    if one["state"] == "refused":
        return ""  # a renamed book is seen by itself
    if one["state"] == "failed":
        key = one["name"] if one["stage"] == "convert" else f"{one['stage']}/{one['name']}"
        return f"medialift audiobooks retry {quote(key)}"
    if one["stage"] == "tag":
        return f"medialift audiobooks tag {quote(one['name'])} --asin …"
    return f"medialift audiobooks approve {quote(one['name'])}"


def _candidates(face: Face, rows: list[dict[str, Any]]) -> None:
    face.table(
        ["sure", "ASIN", "title", "authors", "narrators", "minutes #", "shop"],
        [
            (
                _share(one.get("confidence")),
                one.get("asin", ""),
                one.get("title", ""),
                ", ".join(one.get("authors") or ()),
                ", ".join(one.get("narrators") or ()),
                one.get("runtime_minutes") or "",
                one.get("region", ""),
            )
            for one in rows[:5]
        ],
    )


def _refused(face: Face, one: dict[str, Any]) -> None:
    face.line(f"✗ {one['key']}: {one['why']}")
    for row in one["tree"].splitlines():
        face.line(f"    {row}")
    face.line(f"    {one['hint']}")


def _tag_state(done: dict[str, Any]) -> str:
    if done["state"] != "tagged":
        return str(done["state"]).replace("_", " ")
    return f"tagged, {len(done['changes'])} tags changed" if done["changed"] else "tagged, as it was before"


def _how(word: str) -> str:
    """How a book was made, as the ledger and the manifest call it."""
    told = {"encode": "encoded", "splice": "joined", "pass_through": "passed through"}
    return {**told, "converted": "encoded", "spliced": "joined", "passed_through": "passed through"}.get(
        word, word
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def _when(moment: str) -> str:
    """A moment of the ledger in this host's time; without the day when it is today."""
    if not moment:
        return ""
    at = datetime.fromisoformat(moment).astimezone()
    today = at.date() == datetime.now().astimezone().date()
    return at.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M")


def _clock(seconds: float) -> str:
    """1:02:03.456, as chapter files have it."""
    whole = round(1000 * seconds)
    return f"{whole // 3_600_000}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d}.{whole % 1000:03d}"


def _cut(text: str) -> str:
    """So much of a long text as a table bears."""
    text = " ".join(text.split())
    return text if len(text) <= 120 else f"{text[:119]}…"

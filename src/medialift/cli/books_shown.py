"""What `medialift books` shows to people: tables and sentences out of the same numbers as --json."""

from __future__ import annotations

from typing import Any

from medialift.books.status import Status
from medialift.cli.face import Face
from medialift.foundation.units import format_duration, format_size
from medialift.queueing.schema import ITEM_STATES


def position(now: Status) -> tuple[float, float | None, str]:
    """Books that have ended, of how many, and how it goes."""
    counts = now.items
    of = counts.total - counts.cancelled
    said = now.control.why if now.control.rests else now.speed.sentence()
    if counts.failed:
        said += f"; {counts.failed} failed"
    return float(of - counts.open - counts.paused), float(of), said


def plan(face: Face, made: dict[str, Any], *, check: bool) -> None:
    """What a plan found and did, or would do."""
    line = face.line
    line(
        f"{made['books']} books with {made['files']} files, {format_size(made['bytes'])}: "
        f"{made['new']} new, {made['changed']} changed, {made['removed']} gone, {made['unchanged']} as before"
    )
    if made["by_format"]:
        rows = sorted(made["by_format"].items(), key=lambda one: (-one[1]["files"], one[0]))
        face.table(
            ["format", "files #", "size #"],
            [(name, one["files"], format_size(one["bytes"])) for name, one in rows],
        )
    if check:
        line("Nothing was written.")


def speed(face: Face, told: dict[str, Any]) -> None:
    """How fast it goes and went, and how long it takes still, of a status as a dict."""
    found = told["speed"]
    seconds, average = found["seconds_per_file"], found["average_files_per_minute"]
    parts = [
        found["sentence"],
        *([f"{format_duration(seconds)} per file"] if seconds is not None else []),
        *([f"{average:.0f} files per minute on average"] if average else []),
    ]
    face.line(f"speed: {', '.join(parts)}; {found['slow']} uploads took over two minutes")


def run(face: Face, done: dict[str, Any], *, check: bool) -> None:
    """How a run ended and what became of every file."""
    if check:
        plan(face, done["plan"], check=True)
        return
    for number, one in enumerate(done["ended"], 1):
        face.line(
            f"worker {number}: {one['items']} books, {one['files']} files, {format_size(one['bytes'])}"
            f" ({one['why']})"
        )
    _accounts(face, done["status"])
    speed(face, done["status"])
    state = done["status"]["state"]
    face.line("All books have ended." if done["finished"] else f"It is not finished: {state}.")


def status(face: Face, now: Status) -> None:
    """How it stands."""
    told, line = now.to_dict(), face.line
    states = ", ".join(f"{told['items'][one]} {one}" for one in ITEM_STATES if told["items"][one])
    line(f"{now.collection}: {now.state}" + (f" ({now.control.why})" if now.control.why else ""))
    line(f"books: {states or 'none is planned'}")
    _accounts(face, told)
    speed(face, told)
    for one in now.slow:
        line(f"  slow: {one}")
    here = [one for one in now.workers if one.state != "gone"]
    if here:
        face.table(
            ["worker", "state", "does", "books #", "files #", "size #", "silent for"],
            [
                (
                    one.name,
                    one.state,
                    one.paused_why or one.phase,
                    one.items,
                    one.files,
                    format_size(one.bytes),
                    format_duration(one.silence),
                )
                for one in here
            ],
        )


def adopted(face: Face, found: dict[str, Any]) -> None:
    """What the first script's progress files told, and what of it is true."""
    face.line(
        f"{found['progress_files']} progress files name {found['named']} files: "
        f"{found['there']} are on the server, {found['absent']} are not, "
        f"{found['gone']} are not in Calibre any more, {found['unplaced']} do not say which they mean"
    )
    face.line(f"{found['adopted']} books {'would be' if found['check'] else 'are'} done by that")
    for name in found["broken"]:
        face.line(f"! {name} could not be read")


def _accounts(face: Face, told: dict[str, Any]) -> None:
    face.table(
        ["files", "count #", "size #", "why"],
        [
            (
                account,
                one["files"],
                format_size(one["bytes"]),
                ", ".join(f"{kind}: {count}" for kind, count in one["reasons"].items()),
            )
            for account, one in told["files"].items()
            if one["files"]
        ],
    )


def verdict(face: Face, done: dict[str, Any]) -> None:
    """The account of every file, and what does not add up."""
    line, found = face.line, done["verify"]
    face.table(["files", "count #", "why"], done["rows"])
    server = found["server"]
    if server is not None:
        line(
            f"On the server, by its {server['how']}: {server['present']} of {server['checked']} are there, "
            f"{server['missing']} missing, {server['duplicates']} twice, {server['orphans']} empty ebooks"
        )
    for sentence in (*found["wrong"], *found["open"]):
        line(f"! {sentence}")
    for what, subjects in found["examples"].items():
        line(f"  {what}: {'; '.join(subjects[:10])}{' …' if len(subjects) > 10 else ''}")
    speed(face, done["status"])
    line("The numbers add up." if done["adds_up"] else "The numbers do not add up.")

"""One call of posters from options by name, as the Ansible module gives them; predicted in check mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medialift import settings as all_settings
from medialift.errors import Permanent, Transient
from medialift.foundation.units import parse_duration
from medialift.foundation.waiting import wait_until
from medialift.posters import operations, preparing
from medialift.posters.selection import Selection
from medialift.settings import Settings

_LOOK_SECONDS = 2.0


def do(options: Mapping[str, Any], *, check: bool = False) -> dict[str, Any]:
    """Do what the options say: {changed, batch, diff, left}.

    Raises:
        Permanent: it cannot be done, or it was waited for and some items have failed.
        Transient: Jellyfin or the ledger is away, or the time was over before the batch.
    """
    settings = all_settings.load(Path(options["config"])).settings
    action, seconds = options["action"], parse_duration(options["timeout"])
    if action == "status":
        return {"changed": False, "batch": operations.one_batch(settings, options["batch"])}
    if action in ("retry", "cancel"):
        return _changed(settings, action, options, seconds, check=check)
    if check:
        return _predicted(settings, action, options)
    done = _begun(settings, action, options)
    return _waited(settings, done, options, seconds)


def _begun(settings: Settings, action: str, options: Mapping[str, Any]) -> dict[str, Any]:
    image = options["image"] or ""
    if action == "download":
        return operations.download(settings, _selection(options), image=image, replace=options["replace"])
    if action == "upload":
        return operations.upload(settings, folder=_folder(options), ids=_words(options["ids"]), image=image)
    return operations.restore(settings, batch=options["batch"], ids=_words(options["ids"]), image=image)


def _predicted(settings: Settings, action: str, options: Mapping[str, Any]) -> dict[str, Any]:
    image, posters = options["image"] or "", settings.posters
    if action == "download":
        plan = preparing.download(posters, _selection(options), image=image, replace=options["replace"])
    elif action == "upload":
        plan = preparing.upload(posters, folder=_folder(options), ids=_words(options["ids"]), image=image)
    else:
        plan = operations.planned_restore(
            settings, batch=options["batch"], ids=_words(options["ids"]), image=image
        )
    told = {"action": action, "image": plan.image, "total": len(plan.wanted)}
    after = f"{len(plan.wanted)} items\n"
    return {"changed": bool(plan.wanted), "batch": told, "diff": {"before": "", "after": after}}


def _changed(
    settings: Settings, action: str, options: Mapping[str, Any], seconds: float, *, check: bool
) -> dict[str, Any]:
    before = operations.one_batch(settings, options["batch"])
    states = before["states"]
    if check:
        concerned = ("failed", "cancelled") if action == "retry" else ("ready", "leased", "paused")
        return {"changed": any(states.get(one) for one in concerned), "batch": before}
    if action == "cancel":
        return _with_diff(operations.cancel(settings, before["id"]), before)
    return _waited(settings, _with_diff(operations.retry(settings, before["id"]), before), options, seconds)


def _waited(
    settings: Settings, done: dict[str, Any], options: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    number = done["batch"]["id"]
    if not options["wait"]:
        return done if "diff" in done else _with_diff(done, {"states": {}})
    over = wait_until(
        lambda: bool(operations.one_batch(settings, number)["finished"]) or _held(settings),
        at_most=seconds,
        every=_LOOK_SECONDS,
    )
    after = operations.one_batch(settings, number)
    if not after["finished"]:
        now = operations.look(settings, batches_shown=0)
        raise Transient(
            "The batch of posters is not over",
            f"batch {number}, {after['left']} items are left",
            now.control.why if over else "Wait longer, or see whether medialift-posters.service runs",
        )
    if failed := after["states"].get("failed"):
        raise Permanent(
            "Some posters failed",
            f"batch {number}, {failed} of {after['total']}",
            f"See `medialift posters failed {number}`",
        )
    return _with_diff({**done, "batch": after}, {"states": {}})


def _held(settings: Settings) -> bool:
    return operations.look(settings, batches_shown=0).control.paused


def _with_diff(done: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    shown = {"before": _counted(before["states"]), "after": _counted(done["batch"]["states"])}
    return {**done, "diff": shown}


def _counted(states: Mapping[str, int]) -> str:
    return "".join(f"{name}: {states[name]}\n" for name in sorted(states))


def _selection(options: Mapping[str, Any]) -> Selection:
    return Selection.of(
        libraries=_words(options["libraries"]), search=options["search"], ids=_words(options["ids"])
    )


def _words(given: Sequence[str]) -> list[str]:
    """Words as they are meant: a survey gives "Movies, Shows", and one empty word when it was left empty."""
    return [one.strip() for one in given if one.strip()]


def _folder(options: Mapping[str, Any]) -> Path | None:
    return Path(options["folder"]) if options["folder"] else None

"""What the stages of one service share: programs, plug-ins, the catalogues; and how each stage is done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from medialift.audiobooks import (
    asked,
    book_record,
    brief,
    convert_stage,
    delivery,
    inbox,
    notices,
    publishing,
    retrying,
    runs,
    stages,
    todo,
)
from medialift.audiobooks import manifest as manifests
from medialift.audiobooks import tagging as tagging_stage
from medialift.audiobooks.convert_stage import Order
from medialift.audiobooks.holding import holding
from medialift.audiobooks.inbox import Memory
from medialift.audiobooks.manifest import Manifest
from medialift.audiobooks.outcome import Outcome
from medialift.audiobooks.runs import Run
from medialift.audiobooks.stages import CONVERT, DELIVER, TAG, Stage, key_of
from medialift.audiobooks.tagging import Tagged
from medialift.errors import MedialiftError, Permanent, Transient
from medialift.settings import AudiobooksSettings

if TYPE_CHECKING:
    from medialift.audiobooks.catalogues import Catalogues
    from medialift.audiobooks.handler import Attempt

_NOTHING = "(?!)"
_HOW_TO_TAG = "Say which book it is: medialift audiobooks tag NAME --set asin=…"
_HOW_TO_APPROVE = "Let it pass: medialift audiobooks approve NAME"


@dataclass(frozen=True)
class Workshop:
    """Everything that is opened once: `work` may be called from several threads.

    Attributes:
        memory: of the looks into the inbox: where it is mounted.
    """

    settings: AudiobooksSettings
    means: convert_stage.Means
    catalogues: Catalogues
    memory: Memory = field(default_factory=Memory)

    def close(self) -> None:
        """Leave the catalogues."""
        self.catalogues.close()

    def work(self, stage: Stage, attempt: Attempt) -> Outcome:
        """Do a stage of a book, to its end.

        Raises:
            MedialiftError, OSError: why it cannot be done, or not now.
        """
        doing = {CONVERT: self._convert, TAG: self._tag, DELIVER: self._deliver}
        return doing[stage](attempt)

    def inbox_away(self) -> str:
        """Why the inbox cannot be read now; "" when it can."""
        # What the looks before know of its mount counts; what they saw in it is theirs.
        memory = Memory(mount=self.memory.mount)
        try:
            inbox.scan(self.settings.model_copy(update={"match": _NOTHING}), now=time.time(), memory=memory)
        except MedialiftError as error:
            return str(error)
        self.memory.mount = self.memory.mount or memory.mount
        return ""

    def failed(self, stage: Stage, name: str, error: MedialiftError) -> None:
        """A book has failed for good: its manifest says so.

        Raises:
            MedialiftError, OSError: it cannot be written.
        """
        if stage == TAG:
            with holding(self.settings, key_of(TAG, name)):
                tagging_stage.give_up(self.settings.converted / name, error)

    def _convert(self, attempt: Attempt) -> Outcome:
        lease, settings = attempt.lease, self.settings
        if (place := asked.place(lease)) is not None:
            attempt.step("bringing back")
            with holding(settings, lease.key, stop=attempt.stop):
                retrying.bring_back(settings, attempt.name, place)
        book = book_record.of_record(lease.payload["book"], settings.inbox)
        order = Order(
            book,
            lease.payload["order"],
            publishing.attempt_name(settings.collection, lease.item_id, lease.token),
            lease.attempts,
            attempt.cores,
            as_it_is=bool(lease.payload.get("as_it_is")),
            replaces=str(lease.payload.get("replaces") or ""),
        )
        done = convert_stage.convert(
            order, self.means, stop=attempt.stop, step=attempt.step, tell=attempt.tell
        )

        def also(connection: Connection) -> None:
            asked.answered(connection, lease.item_id)
            name = done.manifest.name
            complete = {
                "book": book_record.to_record(done.book, settings.inbox),
                "order": order.order,
                "name": name,
            }
            todo.add(connection, settings.collection, lease.item_id, "complete", complete)
            if settings.tagging.mode != "off":
                told = notices.converted(
                    name, str(done.file), played=done.played, bytes=book.bytes, how=done.how
                )
                todo.add(connection, settings.collection, lease.item_id, "tell", told)
                self._enter(connection, TAG, name, done.manifest)
            else:
                self._deliver_or_end(connection, lease.item_id, done.manifest)

        conversion = done.manifest.conversion
        return Outcome(
            result={
                "kind": conversion.kind,
                "chapters": len(conversion.chapters),
                "file": conversion.file,
                "book": brief.of(done.manifest),
            },
            name=done.manifest.name,
            how=done.how,
            played=done.played,
            bytes=book.bytes,
            also=also,
            problems=done.problems,
        )

    def _tag(self, attempt: Attempt) -> Outcome:
        attempt.step("tagging")
        tagged = self.tag(attempt.name, override=asked.override(attempt.lease), stop=attempt.stop)
        manifest, item = tagged.manifest, attempt.lease.item_id
        # Only what nobody is sure of waits here; one that is to be approved waits before its delivery.
        waits = manifest.next_action == "review"
        needs = "; ".join(tagged.needs_person)

        def also(connection: Connection) -> None:
            asked.answered(connection, item)
            self._tagged(connection, item, tagged)

        candidates = [one.model_dump(mode="json") for one in manifest.tagging.candidates] if waits else []
        return Outcome(
            result={
                "state": tagged.state,
                "changes": len(tagged.diff),
                "needs": list(tagged.needs_person),
                "candidates": candidates,
                "book": brief.of(manifest),
            },
            name=manifest.name,
            played=manifest.conversion.seconds,
            bytes=manifest.sources.bytes,
            waits_for=(needs or "It is not sure which book it is") if waits else "",
            also=also,
            problems=tagged.problems,
        )

    def tag(
        self,
        name: str,
        *,
        override: Mapping[str, Any] | None = None,
        dry_run: bool = False,
        stop: Event | None = None,
    ) -> Tagged:
        """Tag a converted book, under its lock.

        Raises:
            Permanent: there is no such book, or it cannot be tagged.
            Transient: a service does not answer, or somebody works on the book.
        """
        folder = self.folder(name)
        with holding(self.settings, key_of(TAG, name), stop=stop):
            return tagging_stage.tag(
                folder,
                self.settings,
                lookup=self.catalogues.lookup(stop),
                plugins=self.means.plugins,
                dry_run=dry_run,
                override=override,
                stop=stop,
                picture=self.catalogues.picture(stop),
                programs=self.means.programs,
            )

    def folder(self, name: str) -> Path:
        """The folder of a converted book.

        Raises:
            Permanent: there is none of this name.
        """
        folder = self.settings.converted / name
        if "/" in name or name.startswith(".") or not folder.is_dir():
            raise Permanent("There is no converted book of this name", name, "See what `status` lists")
        return folder

    def tagged_by_hand(self, connection: Connection, tagged: Tagged) -> None:
        """Write down what a person had done, and what follows; part of the caller's transaction."""
        manifest = tagged.manifest
        waits = manifest.next_action == "review"
        result: dict[str, Any] = {
            "state": tagged.state,
            "changes": len(tagged.diff),
            "by_hand": True,
            "book": brief.of(manifest),
        }
        if waits:
            result |= {"waits_for": "person", "reason": "; ".join(tagged.needs_person)}
        item = stages.settle(
            connection,
            self.settings.collection,
            TAG,
            manifest.name,
            state="skipped" if waits else "done",
            priority=stages.priority_of(TAG, self.settings.tagging),
            result=result,
            bytes=manifest.conversion.size,
        )
        run = Run(
            "tag",
            manifest.name,
            "person" if waits else "done",
            name=manifest.name,
            how="by hand",
            seconds=manifest.tagging.took,
            error_text="; ".join(tagged.needs_person),
        )
        runs.record(connection, self.settings.collection, run)
        self._tagged(connection, item, tagged)

    def _tagged(self, connection: Connection, item: int, tagged: Tagged) -> None:
        manifest, collection = tagged.manifest, self.settings.collection
        if tagged.state == "tagged" and tagged.written:
            told = notices.tagged(manifest.name, changes=len(tagged.diff), why=manifest.tagging.why)
            todo.add(connection, collection, item, "tell", told)
        if manifest.next_action == "review":
            needs = "\n".join(tagged.needs_person)
            told = notices.needs_person(TAG, manifest.name, needs, _HOW_TO_TAG)
            todo.add(connection, collection, item, "tell", told)
        else:
            self._deliver_or_end(connection, item, manifest)

    def _deliver(self, attempt: Attempt) -> Outcome:
        attempt.step("delivering")
        name, settings = attempt.name, self.settings
        folder = self.folder(name)
        with holding(settings, key_of(DELIVER, name), stop=attempt.stop):
            if (approval := asked.approval(attempt.lease)) is not None:
                delivery.approve(
                    folder, settings, by=approval.by, now=approval.at, destinations=approval.destinations
                )
            problems = list(self.means.plugins.before(DELIVER, manifests.read(folder)))
            results = delivery.deliver(folder, settings, stop=attempt.stop)
            manifest = manifests.read(folder)
            problems += self.means.plugins.after(DELIVER, manifest)
        if (error := delivery.failure(results)) is not None:
            raise error
        silent = [one for one, record in manifest.deliveries.items() if record.rescan == "failed"]
        if silent:
            told = "; ".join(line for result in results for line in result.told)
            what = "The book lies in its library, and its server does not know of it"
            raise Transient(what, ", ".join(silent), told)
        held = [result for result in results if result.state == "held"]
        why = "; ".join(dict.fromkeys(line for result in held for line in result.told))

        def also(connection: Connection) -> None:
            item, collection = attempt.lease.item_id, settings.collection
            asked.answered(connection, item)
            if held:
                told = notices.needs_person(DELIVER, name, why, _HOW_TO_APPROVE)
            else:
                told = notices.done(name, "\n".join(f"{one.destination}: {one.path}" for one in results))
            todo.add(connection, collection, item, "tell", told)

        brought = [result.destination for result in results if result.state != "held"]
        return Outcome(
            result={"destinations": [result.to_dict() for result in results]},
            name=name,
            how=", ".join(brought),
            played=manifest.conversion.seconds,
            bytes=manifest.conversion.size,
            waits_for=why,
            also=also,
            problems=tuple(problems),
        )

    def _deliver_or_end(self, connection: Connection, item: int, manifest: Manifest) -> None:
        if self.settings.destinations:
            self._enter(connection, DELIVER, manifest.name, manifest)
        else:
            where = str(self.settings.converted / manifest.name)
            todo.add(connection, self.settings.collection, item, "tell", notices.done(manifest.name, where))

    def _enter(self, connection: Connection, stage: Stage, name: str, manifest: Manifest) -> None:
        priority = stages.priority_of(stage, self.settings.tagging)
        stages.enter(
            connection,
            self.settings.collection,
            stage,
            name,
            priority=priority,
            bytes=manifest.conversion.size,
        )

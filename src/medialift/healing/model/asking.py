"""A model that is asked what ails a worker, within a budget, and not twice the same."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from medialift.errors import Permanent
from medialift.healing.decision import Decision, Remedy
from medialift.healing.evidence import Evidence
from medialift.healing.model import prompt
from medialift.healing.model.answer import EXPLANATION, Refused, Why, bounds_of, judged
from medialift.healing.model.budget import Budget
from medialift.healing.model.chat import Chat, Said, Unsaid
from medialift.healing.model.fingerprint import fingerprint
from medialift.healing.model.key import VARIABLE, read_key
from medialift.healing.model.redaction import Redaction
from medialift.healing.pipeline import Pipeline
from medialift.queueing.database import Database
from medialift.settings import Settings, secrets

_log = logging.getLogger(__name__)

_NEEDS_KEY = "api.openai.com"
_LONGEST_MODULE = 40_000
_LONGEST_EDIT = 40_000
"""Characters: a module of this program has a quarter of it."""
_SEARCH = "<<<<<<< SEARCH"
_REMEMBERED = 200


class Model:
    """Asks for decisions and edits. Whatever is not a clean answer within its bounds is `Refused`.

    Use one from one thread. It holds no connection between two questions.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        key: SecretStr,
        *,
        stop: Event | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        model = settings.healing.model
        self.name = model.name
        self.budget = Budget(database.engine, model.tokens_per_day)
        self._settings, self._key, self._now = settings, key, now
        self._chat = Chat(model.base_url, model.name, key, timeout=model.timeout, stop=stop)
        self._answers: dict[str, tuple[float, Decision | Refused]] = {}
        self._rests_until = float("-inf")

    @classmethod
    def open(
        cls,
        settings: Settings,
        database: Database,
        *,
        environment: Mapping[str, str] = os.environ,
        stop: Event | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> Model:
        """The model of [healing.model]. Nothing is asked yet.

        Args:
            stop: ends a question that is under way.
            now: seconds of a clock that never goes back.

        Raises:
            Permanent: it has no name, or there is no key that could be used.
        """
        model = settings.healing.model
        if not model.name:
            raise Permanent(
                "The language model has no name",
                "healing.model.name",
                "Name one that its server has, or set healing.model.enabled to false",
            )
        key = read_key(model.key_file, environment)
        if not key.get_secret_value() and urlsplit(model.base_url).hostname == _NEEDS_KEY:
            raise Permanent(
                "The language model needs a key",
                model.base_url,
                f"Name its file in healing.model.key_file, or give {VARIABLE}",
            )
        return cls(settings, database, key, stop=stop, now=now)

    def __repr__(self) -> str:
        return f"Model({self.name!r}, {self._chat.base_url!r})"

    def decide(self, evidence: Evidence, pipeline: Pipeline) -> Decision | Refused:
        """What is to be done about a worker, in the model's opinion.

        The same evidence, of this worker or of another one, is asked about once within a cool-down; until
        then the answer stays what it was. After a question without an answer the model is left alone as long.

        Raises:
            Transient: the database, which counts the tokens, does not answer.
        """
        same = fingerprint(evidence)
        known = self._answers.get(same)
        if known is not None and self._now() - known[0] < self._settings.healing.cooldown:
            return known[1]
        if self._rests:
            return Refused(Why.UNREACHABLE, "It did not answer a short time ago")
        decided = self._decided(evidence, pipeline)
        # What was not asked for want of tokens may be asked when the next day begins.
        if not (isinstance(decided, Refused) and decided.kind is Why.SPENT):
            self._remember(same, decided)
        return decided

    def edit(self, evidence: Evidence, module_text: str, decision: Decision) -> str | Refused:
        """The edit of the decision's module, as search/replace blocks in plain text: not parsed, not tested.

        Args:
            module_text: the module as it is; it is sent.
            decision: what `decide` returned.

        Raises:
            Transient: as `decide`.
        """
        if decision.remedy is not Remedy.CODE_FIX or not self._settings.healing.code_fixes:
            return Refused(Why.FORBIDDEN, "Nothing may be edited here")
        if len(module_text) > _LONGEST_MODULE:
            return Refused(Why.FORBIDDEN, f"'{decision.module}' is too long to be sent")
        if self._rests:
            return Refused(Why.UNREACHABLE, "It did not answer a short time ago")
        messages = prompt.edit_question(evidence, decision, module_text, self._redaction(evidence))
        said = self._said(messages, f"an edit of {decision.module}")
        if isinstance(said, Refused):
            return said
        if len(said) > _LONGEST_EDIT:
            return Refused(Why.INVALID, f"The edit has {len(said)} characters")
        return said if _SEARCH in said else Refused(Why.INVALID, "The answer holds no edit")

    @property
    def _rests(self) -> bool:
        return self._now() < self._rests_until

    def _decided(self, evidence: Evidence, pipeline: Pipeline) -> Decision | Refused:
        bounds = bounds_of(self._settings.healing, pipeline, evidence)
        redaction = self._redaction(evidence)
        messages = prompt.question(evidence, bounds, redaction)
        said = self._said(messages, evidence.worker.name, bounds.schema())
        if isinstance(said, Refused):
            return said
        judgement = judged(said, bounds, by=f"model {self.name}")
        if isinstance(judgement, Refused):
            _log.warning("what the model says of %s is not followed: %s", evidence.worker.name, judgement.why)
            return judgement
        return _shown(judgement, redaction)

    def _said(
        self, messages: prompt.Messages, about: str, schema: Mapping[str, Any] | None = None
    ) -> str | Refused:
        """The words of the model, within the day's budget."""
        answer_tokens = self._settings.healing.model.answer_tokens
        most = _most_tokens(messages, schema) + answer_tokens
        reservation = self.budget.reserve(most)
        if reservation is None:
            return Refused(
                Why.SPENT, f"A question of up to {most} tokens is more than is left of {self.budget.limit}"
            )
        heard: Said | Unsaid = Unsaid(Refused(Why.UNREACHABLE, ""), None)
        try:
            heard = self._chat.ask(messages, answer_tokens=answer_tokens, schema=schema)
        finally:
            self.budget.settle(reservation, most if heard.tokens is None else heard.tokens)
        _log.info(
            "the model %s was asked about %s: %s tokens",
            *(self.name, about, "unknown" if heard.tokens is None else heard.tokens),
        )
        if isinstance(heard, Said):
            return heard.text
        _log.warning("the model %s gives no answer: %s", self.name, heard.refused.why)
        if heard.refused.kind in (Why.LATE, Why.UNREACHABLE):
            self._rests_until = self._now() + self._settings.healing.cooldown
        return heard.refused

    def _remember(self, same: str, decided: Decision | Refused) -> None:
        self._answers.pop(same, None)
        self._answers[same] = (self._now(), decided)
        while len(self._answers) > _REMEMBERED:
            self._answers.pop(next(iter(self._answers)))

    def _redaction(self, evidence: Evidence) -> Redaction:
        return Redaction(
            secrets=[*secrets(self._settings), self._key.get_secret_value()],
            folders=_folders(self._settings, evidence),
            names=_names(self._settings, evidence),
        )


def _most_tokens(messages: prompt.Messages, schema: Mapping[str, Any] | None) -> int:
    """What a question can take at most, without its answer: no tokenizer makes more of a text than its bytes.

    The schema is counted as well, since servers make it part of the question.
    """
    texts = [*(message["content"] for message in messages), repr(schema) if schema else ""]
    return sum(len(text.encode()) for text in texts) + 50 * len(messages)


def _shown(decision: Decision, redaction: Redaction) -> Decision:
    """The decision with an explanation that can be shown: one line, without addresses, not too long."""
    words = " ".join(redaction(decision.explanation).split())
    if len(words) > EXPLANATION:
        words = f"{words[:EXPLANATION]}…"
    return replace(decision, explanation=words)


def _folders(settings: Settings, evidence: Evidence) -> Iterator[str]:
    """Where this house's own files lie."""
    yield from (mount.path for mount in evidence.mounts)
    yield from (disk.path for disk in evidence.disks)
    books = settings.books
    yield from (str(folder) for folder in (books.library, books.server_books) if folder is not None)
    yield from map(str, settings.mounts.points)


def _names(settings: Settings, evidence: Evidence) -> Iterator[tuple[str, str]]:
    """What this house, its servers and its users are called."""
    for host in (socket.gethostname(), evidence.worker.host):
        yield host, "host"
        short = host.partition(".")[0]
        if not short.isdecimal():  # an address is known by its form
            yield short, "host"
    yield urlsplit(settings.books.server).hostname or "", "host"
    try:
        database = conninfo_to_dict(settings.database.url.get_secret_value())
    except ProgrammingError:  # it is no address: then nothing of it is known by name
        database = {}
    for name in ("host", "hostaddr"):
        yield str(database.get(name) or ""), "host"
    yield settings.books.user, "user"
    # A book is known by its number, but an audiobook by its folder.
    for key in evidence.items.values():
        if isinstance(key, str) and not key.isdecimal():
            yield key, "item"

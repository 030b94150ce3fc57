"""The plug-ins that are in use: asked one by one, so that what one does wrong is its own."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pluggy
from pydantic import BaseModel, TypeAdapter, ValidationError

from medialift.audiobooks.listing import shown
from medialift.audiobooks.metadata.model import Metadata
from medialift.audiobooks.plugins.calling import Caller
from medialift.errors import MedialiftError
from medialift.foundation.text import redact

_log = logging.getLogger(__name__)
_METADATA = TypeAdapter(Metadata)
_FIELDS = frozenset(one.name for one in dataclasses.fields(Metadata)) - {"origin"}

Tell = Callable[[str], object]
"""Is told each problem, a sentence."""


class Plugins:
    """All plug-ins that could be loaded.

    What they do wrong (an error, too much time, an answer of another kind) is logged, told to `tell`, and in
    the list of sentences that each method returns; the book goes on without them. It may be used by several
    threads at once, and then a plug-in is too.

    Attributes:
        problems: what went wrong when they were loaded.
    """

    def __init__(
        self,
        manager: pluggy.PluginManager,
        *,
        timeout: float = 60.0,
        tell: Tell = lambda _problem: None,
        problems: tuple[str, ...] = (),
    ) -> None:
        self._manager, self._tell, self.problems = manager, tell, problems
        self._callers = {name: Caller(name, timeout) for name, _ in manager.list_name_plugin()}

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in the order in which they are asked."""
        return tuple(self._callers)

    def before(self, step: str, subject: Any) -> list[str]:
        """Say that a step ("convert", "tag", "deliver") begins with a book or its manifest."""
        return self._say("before_step", step=step, subject=plain(subject))

    def after(self, step: str, subject: Any) -> list[str]:
        """Say that a step ended well."""
        return self._say("after_step", step=step, subject=plain(subject))

    def ready_for_tagging(self, file: Path, manifest: Any) -> list[str]:
        """Say that a book is converted."""
        return self._say("ready_for_tagging", file=file, manifest=plain(manifest))

    def enrich(self, metadata: Metadata) -> tuple[Metadata, list[str]]:
        """The metadata with what plug-ins add, each told as the origin of what it changed; and problems."""
        problems: list[str] = []
        for name in self.names:
            for answer in self._ask(name, "enrich_metadata", problems, metadata=metadata.to_dict()):
                metadata = self._merged(metadata, answer, name, problems)
        return metadata, problems

    def manifest_fields(self, manifest: Any) -> dict[str, Any]:
        """What plug-ins want to be kept in the manifest, by the name of each.

        Answers that are not JSON are left out, and told.
        """
        found: dict[str, Any] = {}
        for name in self.names:
            for answer in self._ask(name, "manifest_fields", [], manifest=plain(manifest)):
                if isinstance(answer, Mapping) and (text := _as_json(answer)) is not None:
                    found[name] = {**found.get(name, {}), **json.loads(text)}
                else:
                    self._complain(name, "manifest_fields", "What it returned is no JSON object", [])
        return found

    def _say(self, hook: str, **given: Any) -> list[str]:
        problems: list[str] = []
        for name in self.names:
            self._ask(name, hook, problems, **given)
        return problems

    def _ask(self, name: str, hook: str, problems: list[str], **given: Any) -> list[Any]:
        """What one plug-in answers: usually one thing or none."""
        others = [plugin for other, plugin in self._manager.list_name_plugin() if other != name]
        caller = self._manager.subset_hook_caller(hook, others)
        if not caller.get_hookimpls():
            return []
        copies = copy.deepcopy(given)
        try:
            return list(self._callers[name].call(lambda: caller(**copies)))
        except MedialiftError as error:
            _log.debug("plug-in %s, %s", name, hook, exc_info=True)
            self._complain(name, hook, error.what, problems)
            return []

    def _merged(self, before: Metadata, answer: Any, name: str, problems: list[str]) -> Metadata:
        if not isinstance(answer, Mapping):
            self._complain(name, "enrich_metadata", "What it returned is no mapping", problems)
            return before
        if unknown := sorted(str(key) for key in answer if key not in _FIELDS):
            said = f"There is no field {', '.join(unknown)}"
            self._complain(name, "enrich_metadata", said, problems)
        given = {key: plain(value) for key, value in answer.items() if key in _FIELDS}
        try:
            after = _METADATA.validate_python({**before.to_dict(), **given})
        except ValidationError as error:
            first = error.errors()[0]
            said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            self._complain(name, "enrich_metadata", said, problems)
            return before
        return _added(before, after, name)

    def _complain(self, name: str, hook: str, said: str, problems: list[str]) -> None:
        problem = redact(f"Plug-in {name}, {hook}: {said}")
        _log.warning("%s", problem)
        problems.append(problem)
        self._tell(problem)


def _added(before: Metadata, after: Metadata, name: str) -> Metadata:
    """What a plug-in made of it: the fields that it changed are told as its own."""
    told = after.filled()
    kept = {field: origin for field, origin in before.origin.items() if field in told}
    changed = {field: name for field in told if getattr(before, field) != getattr(after, field)}
    return dataclasses.replace(after, origin={**kept, **changed})


def plain(what: Any) -> Any:
    """Anything of ours in the types that JSON has."""
    if isinstance(what, BaseModel):
        return what.model_dump(mode="json")
    if dataclasses.is_dataclass(what) and not isinstance(what, type):
        return {one.name: plain(getattr(what, one.name)) for one in dataclasses.fields(what)}
    if isinstance(what, Mapping):
        return {str(key): plain(value) for key, value in what.items()}
    if isinstance(what, list | tuple | set | frozenset):
        return [plain(one) for one in what]
    if isinstance(what, Enum):
        return what.value
    return shown(what) if isinstance(what, Path) else what


def _as_json(answer: Mapping[Any, Any]) -> str | None:
    try:
        return json.dumps(answer, allow_nan=False)
    except (TypeError, ValueError):
        return None


NONE = Plugins(pluggy.PluginManager("medialift_audiobooks"))
"""No plug-ins at all."""

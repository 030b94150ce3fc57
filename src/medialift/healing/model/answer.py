"""What a model may answer, and what becomes of an answer: a decision, or a refusal with its reason.

The bounds are here and not in the prompt. Log lines are other people's words, and whoever can write one can
try to have the model say anything; what it says is worth no more than this module lets through.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Never

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.evidence import Evidence
from medialift.healing.pipeline import Knob, Pipeline
from medialift.mounts.verdict import DEGRADED, HEALTHY
from medialift.settings import HealingSettings

EXPLANATION = 500
"""Characters of an explanation that are kept."""
_LONGEST = 20_000
"""Characters of an answer that are looked at: a decision takes a few hundred."""
_SETTINGS = 5

# A remedy that does not fit the cause that is named for it is a sign of a model that was talked into it.
_CAUSES: Mapping[Remedy, frozenset[Cause]] = {
    Remedy.WAIT: frozenset({Cause.MOUNT_DOWN, Cause.SERVER_DOWN, Cause.DATABASE_LOCKED}),
    Remedy.RESTART: frozenset(Cause) - {Cause.UNKNOWN},
    Remedy.CONFIG_FIX: frozenset(
        {
            *(Cause.CONFIGURATION, Cause.MEMORY, Cause.DISK_PRESSURE, Cause.DATABASE_LOCKED),
            *(Cause.SERVER_DOWN, Cause.HUNG, Cause.CRASH),
        }
    ),
    Remedy.CODE_FIX: frozenset({Cause.CODE, Cause.CRASH, Cause.HUNG, Cause.SAME_ITEM, Cause.MEMORY}),
    Remedy.SCALE_DOWN: frozenset({Cause.DISK_PRESSURE, Cause.MEMORY, Cause.DATABASE_LOCKED}),
}


class Why(StrEnum):
    """The kinds of reasons for which an answer is not followed, or none was asked for."""

    DECLINED = "declined"
    """The model, or a filter before it, would not answer."""
    TRUNCATED = "truncated"
    INVALID = "invalid"
    """No JSON, not of the form that was asked for, or with words that are none of ours."""
    UNSURE = "unsure"
    FORBIDDEN = "forbidden"
    """It names a remedy, setting, value or module that it may not use."""
    LATE = "late"
    UNREACHABLE = "unreachable"
    """No answer: the server is not there, failed, has no time, or does not let us in."""
    SPENT = "spent"
    """The day's tokens do not suffice for the question."""


@dataclass(frozen=True)
class Refused:
    """There is no decision of a model: the rules decide.

    Attributes:
        why: a sentence without a final dot, for people.
    """

    kind: Why
    why: str


@dataclass(frozen=True)
class Bounds:
    """What a model may decide in one case.

    Attributes:
        waits: the causes for which it may decide to wait: those that were measured.
        confidence: the least that it has to be sure, 0 to 1.
    """

    remedies: frozenset[Remedy]
    waits: frozenset[Cause] = frozenset()
    knobs: Mapping[str, Knob] = field(default_factory=dict)
    modules: Sequence[str] = ()
    confidence: float = 0.6

    def schema(self) -> dict[str, Any]:
        """The JSON schema of an answer, as OpenAI's strict mode wants it: all is required, nothing else is
        allowed. Numbers have no limits there; they are checked here."""
        setting = {
            "type": "object",
            "properties": {
                "setting": {"type": "string", "enum": sorted(self.knobs) or [""]},
                "value": {"type": "number"},
            },
            "required": ["setting", "value"],
            "additionalProperties": False,
        }
        properties = {
            "root_cause": {"type": "string", "enum": [cause.value for cause in Cause]},
            "confidence": {"type": "number"},
            "remedy": {"type": "string", "enum": [one.value for one in Remedy if one in self.remedies]},
            "explanation": {"type": "string"},
            "settings": {"type": "array", "items": setting},
            "module": {"type": "string", "enum": ["", *self.modules]},
        }
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }


def bounds_of(healing: HealingSettings, pipeline: Pipeline, evidence: Evidence) -> Bounds:
    """What is open in this case.

    Pausing a worker for good is on no list: that comes of failed attempts, or of a rule, and not of a line in
    a log. To wait is only believed for what was measured to be down outside of the worker.
    """
    remedies = {Remedy.RESTART}
    waits = frozenset(_down_outside(evidence))
    if waits:
        remedies.add(Remedy.WAIT)
    if pipeline.knobs:
        remedies.add(Remedy.CONFIG_FIX)
    if healing.code_fixes and pipeline.modules:
        remedies.add(Remedy.CODE_FIX)
    if pipeline.name in healing.scaling.targets:
        remedies.add(Remedy.SCALE_DOWN)
    return Bounds(
        frozenset(remedies),
        waits,
        dict(pipeline.knobs),
        tuple(pipeline.modules) if healing.code_fixes else (),
        healing.model.confidence,
    )


def judged(text: str, bounds: Bounds, *, by: str) -> Decision | Refused:
    """The decision in the text of an answer.

    The explanation is as the model wrote it: whoever shows it has to clean it first.
    """
    if len(text) > _LONGEST:
        return Refused(Why.INVALID, f"The answer has {len(text)} characters")
    try:
        _reject_what_json_forgives(text)
        answer = _Answer.model_validate_json(text, strict=True)
    except ValidationError as error:
        return Refused(Why.INVALID, f"The answer is not of the form that was asked for: {_problems(error)}")
    except (ValueError, RecursionError) as error:
        return Refused(Why.INVALID, f"The answer is not JSON that can be trusted: {_first_words(error)}")
    if answer.remedy not in bounds.remedies:
        return Refused(Why.FORBIDDEN, f"It may not decide on '{answer.remedy}' here")
    forbidden = _forbidden(answer, bounds)
    if forbidden:
        return Refused(Why.FORBIDDEN, forbidden)
    if answer.root_cause is Cause.UNKNOWN:
        return Refused(Why.UNSURE, "It does not know what the cause is")
    if answer.confidence < bounds.confidence:
        return Refused(
            Why.UNSURE, f"It is sure to {answer.confidence:.2f}, and {bounds.confidence:g} is asked for"
        )
    return Decision(
        cause=answer.root_cause,
        remedy=answer.remedy,
        by=by,
        explanation=answer.explanation,
        confidence=answer.confidence,
        settings=_values(answer, bounds) if answer.remedy is Remedy.CONFIG_FIX else {},
        module=answer.module if answer.remedy is Remedy.CODE_FIX else "",
    )


class _Setting(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    setting: str
    value: float


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    root_cause: Cause
    confidence: float = Field(ge=0, le=1)
    remedy: Remedy
    explanation: str = Field(min_length=1)
    settings: tuple[_Setting, ...]
    module: str


def _down_outside(evidence: Evidence) -> Iterator[Cause]:
    """What the worker depends on and was measured to be down."""
    if any(mount.state not in (HEALTHY, DEGRADED) for mount in evidence.mounts):
        yield Cause.MOUNT_DOWN
    if evidence.server is not None and not evidence.server.ok:
        yield Cause.SERVER_DOWN
    if evidence.blocked > 0:
        yield Cause.DATABASE_LOCKED


def _forbidden(answer: _Answer, bounds: Bounds) -> str:
    """What it names that it may not; "" when there is nothing.

    A name that is on no list is refused even where it would have no effect.
    """
    names = [one.setting for one in answer.settings]
    for name in names:
        if name not in bounds.knobs:
            return f"It may not change the setting '{_short(name)}'"
    if len(set(names)) < len(names) or len(names) > _SETTINGS:
        return "It sets something twice, or too much at once"
    for one in answer.settings:
        knob = bounds.knobs[one.setting]
        if not knob.lowest <= one.value <= knob.highest:
            return f"It may set {one.setting} to {knob.lowest:g} up to {knob.highest:g}, not to {one.value:g}"
        if knob.whole and not one.value.is_integer():
            return f"{one.setting} is a whole number, not {one.value:g}"
    if answer.module and answer.module not in bounds.modules:
        return f"It may not edit '{_short(answer.module)}'"
    if answer.remedy is Remedy.CONFIG_FIX and not names:
        return "It wants to change settings and names none"
    if answer.remedy is Remedy.CODE_FIX and not answer.module:
        return "It wants to edit code and names no module"
    if answer.root_cause is not Cause.UNKNOWN and answer.root_cause not in _CAUSES[answer.remedy]:
        return f"'{answer.remedy}' is no remedy for '{answer.root_cause}'"
    if answer.remedy is Remedy.WAIT and answer.root_cause not in bounds.waits:
        return f"Nothing was measured that speaks for '{answer.root_cause}'"
    return ""


def _values(answer: _Answer, bounds: Bounds) -> dict[str, int | float]:
    return {
        one.setting: int(one.value) if bounds.knobs[one.setting].whole else one.value
        for one in answer.settings
    }


def _reject_what_json_forgives(text: str) -> None:
    """Names that stand there twice, of which one reader takes the first and another the last, and numbers
    that are none.

    Raises:
        ValueError: it has one of these, or is no JSON at all.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            raise ValueError("a name stands there twice")
        return dict(pairs)

    def no_number(_: str) -> Never:
        raise ValueError("a number is none")

    json.loads(text, object_pairs_hook=once, parse_constant=no_number)


def _problems(error: ValidationError) -> str:
    """Where and what, without the values: those are the model's words."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(
        f"{'.'.join(_short(str(part)) for part in one['loc']) or 'the whole'}: {one['type']}"
        for one in found[:5]
    )


def _first_words(error: Exception) -> str:
    return _short(str(error).splitlines()[0] if str(error) else type(error).__name__)


def _short(words: str) -> str:
    """A model's words in a sentence of ours: printable, and few."""
    plain = "".join(one if one.isprintable() else "?" for one in words)
    return plain if len(plain) <= 40 else f"{plain[:40]}…"

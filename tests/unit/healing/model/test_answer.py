"""What becomes of an answer: the bounds are in the code, whatever the model says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.evidence import MountHealth, ServerHealth
from medialift.healing.model.answer import Bounds, Refused, Why, bounds_of, judged
from medialift.settings import HealingSettings
from sandbox.openai.script import decision
from tests.model_world import LIBRARY, PIPELINE, evidence

BOUNDS = Bounds(
    remedies=frozenset(Remedy) - {Remedy.ESCALATE},
    waits=frozenset({Cause.SERVER_DOWN}),
    knobs=PIPELINE.knobs,
    modules=PIPELINE.modules,
    confidence=0.6,
)


def said(**changes: object) -> Decision | Refused:
    return judged(decision(**changes), BOUNDS, by="model x")


def values(**settings: float) -> list[dict[str, object]]:
    return [{"setting": name, "value": value} for name, value in settings.items()]


def test_a_clean_answer_is_a_decision():
    assert said() == Decision(
        Cause.HUNG, Remedy.RESTART, "model x", "It waits for a socket that says nothing more.", 0.9
    )


def test_the_confidence_that_is_asked_for_suffices():
    assert isinstance(said(confidence=0.6), Decision)
    assert isinstance(said(confidence=1), Decision)
    refused = said(confidence=0.59)
    assert isinstance(refused, Refused) and refused.kind is Why.UNSURE


@pytest.mark.parametrize(
    ("batch", "allowed"), [(0, False), (1, True), (200, True), (200.0, True), (201, False)]
)
def test_bounds_are_included_and_whole_numbers_may_be_written_with_a_point(batch, allowed):
    decided = said(root_cause="memory", remedy="config_fix", settings=values(batch=batch))
    assert isinstance(decided, Decision) == allowed


def test_a_setting_that_is_no_whole_number_keeps_its_fraction():
    decided = said(root_cause="hung", remedy="config_fix", settings=values(timeout=12.5, batch=3))
    assert isinstance(decided, Decision)
    assert decided.settings == {"timeout": 12.5, "batch": 3}


def test_what_does_not_belong_to_the_remedy_has_no_effect():
    decided = said(settings=values(batch=3), module="books/speed.py")
    assert isinstance(decided, Decision)
    assert (decided.remedy, decided.settings, decided.module) == (Remedy.RESTART, {}, "")


@pytest.mark.parametrize(
    "module",
    [
        "books/committing.py",
        "./books/speed.py",
        "books/../books/speed.py",
        "BOOKS/speed.py",
        "books/speed.py ",
    ],
)
def test_a_module_is_named_exactly_or_not_at_all(module):
    refused = said(root_cause="code", remedy="code_fix", module=module)
    assert isinstance(refused, Refused) and refused.kind is Why.FORBIDDEN


def test_a_refusal_repeats_little_of_the_models_words():
    refused = said(settings=values(**{"x\x1b[31m" + "y" * 500: 1}))
    assert isinstance(refused, Refused)
    assert refused.why.isprintable() and len(refused.why) < 120
    invalid = judged(json.dumps({"z" * 500: 1}), BOUNDS, by="")
    assert isinstance(invalid, Refused) and len(invalid.why) < 500


def test_each_allowed_remedy_says_what_it_is_for():
    assert isinstance(said(root_cause="mount_down", remedy="config_fix", settings=values(batch=3)), Refused)
    assert isinstance(said(root_cause="disk_full", remedy="code_fix", module="books/speed.py"), Refused)
    assert isinstance(said(root_cause="crash", remedy="scale_down"), Refused)
    assert isinstance(said(root_cause="server_down", remedy="wait"), Decision)
    assert isinstance(said(root_cause="mount_down", remedy="wait"), Refused)


def _open(evidence_of_it=None, **healing: object) -> set[str]:
    bounds = bounds_of(HealingSettings.model_validate(healing), PIPELINE, evidence_of_it or evidence())
    return {str(one) for one in bounds.remedies}


def test_what_is_open_depends_on_the_settings_and_on_what_was_measured():
    assert _open() == {"restart", "config_fix"}
    assert _open(code_fixes=True) == {"restart", "config_fix", "code_fix"}
    assert "scale_down" in _open(scaling={"targets": {"books": 4}})
    assert "scale_down" not in _open(scaling={"targets": {"posters": 4}})
    assert "wait" in _open(evidence(mounts=(MountHealth(LIBRARY, "hung"),)))
    assert "wait" in _open(evidence(server=ServerHealth("x", False)))
    assert "wait" in _open(evidence(blocked=3.0))
    assert "wait" not in _open(evidence(mounts=(MountHealth(LIBRARY, "degraded"),), server=None))


def test_nothing_ever_opens_a_pause_for_good():
    everything = evidence(
        mounts=(MountHealth(LIBRARY, "hung"),), server=ServerHealth("x", False), blocked=9.0
    )
    assert "escalate" not in _open(everything, code_fixes=True, scaling={"targets": {"books": 4}})


def _objects(part: object):
    if isinstance(part, dict):
        if part.get("type") == "object":
            yield part
        for value in part.values():
            yield from _objects(value)


def test_the_schema_is_strict_throughout():
    found = list(_objects(BOUNDS.schema()))
    assert len(found) == 2
    for one in found:
        assert one["additionalProperties"] is False
        assert one["required"] == list(one["properties"])


def test_the_schema_of_a_pipeline_without_knobs_is_valid_too():
    bounds = Bounds(frozenset({Remedy.RESTART}))
    assert bounds.schema()["properties"]["module"]["enum"] == [""]
    assert isinstance(judged(decision(), bounds, by=""), Decision)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_FIELD = {
    "root_cause": st.sampled_from([*map(str, Cause)]) | _JSON,
    "confidence": st.floats(0, 1) | _JSON,
    "remedy": st.sampled_from([*map(str, Remedy)]) | _JSON,
    "explanation": st.text(max_size=20) | _JSON,
    "settings": st.lists(
        st.fixed_dictionaries(
            {"setting": st.sampled_from([*PIPELINE.knobs, "server"]), "value": st.floats() | st.integers()}
        ),
        max_size=3,
    )
    | _JSON,
    "module": st.sampled_from(["", *PIPELINE.modules, "settings.py"]) | _JSON,
}


@settings(max_examples=400, deadline=None)
@given(st.fixed_dictionaries(_FIELD).map(json.dumps) | st.text() | _JSON.map(json.dumps))
def test_no_answer_at_all_leads_out_of_the_bounds(text):
    decided = judged(text, BOUNDS, by="model x")
    if isinstance(decided, Refused):
        assert decided.why
        return
    assert decided.remedy in BOUNDS.remedies and decided.cause is not Cause.UNKNOWN
    assert 0.6 <= decided.confidence <= 1
    assert decided.module == "" or (decided.remedy is Remedy.CODE_FIX and decided.module in BOUNDS.modules)
    for name, value in decided.settings.items():
        knob = BOUNDS.knobs[name]
        assert decided.remedy is Remedy.CONFIG_FIX and knob.lowest <= value <= knob.highest
        assert not knob.whole or isinstance(value, int)

"""Who decides: the rules about what was measured, then a model, then the rules, then a restart."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from medialift.healing.care import Care
from medialift.healing.decision import Cause, Decision, Remedy
from medialift.healing.diagnosis import DEFAULT, MEASURED, Diagnosis
from medialift.healing.evidence import Evidence
from medialift.healing.model.answer import Refused, Why
from medialift.healing.patient import decision_of
from medialift.healing.pipeline import Pipeline
from medialift.healing.waits import Waits
from tests.model_world import PIPELINE, evidence

HUNG = Decision(Cause.HUNG, Remedy.RESTART, by="rule hung", explanation="It hangs")
ADVICE = Decision(Cause.MEMORY, Remedy.CONFIG_FIX, by="model", explanation="Less", settings={"batch": 10})


@dataclass
class Model:
    says: Decision | Refused
    asked: list[str] = field(default_factory=list)

    def decide(self, evidence: Evidence, pipeline: Pipeline) -> Decision | Refused:
        self.asked.append(evidence.worker.name)
        return self.says


def test_without_a_model_the_rules_decide_and_without_a_rule_a_restart_does() -> None:
    assert Diagnosis(lambda _: HUNG).decide(evidence(), PIPELINE) == HUNG
    assert Diagnosis(lambda _: None).decide(evidence(), PIPELINE) == DEFAULT


@pytest.mark.parametrize("cause", sorted(MEASURED))
def test_about_what_was_measured_nobody_is_asked(cause: Cause) -> None:
    rule = Decision(cause, Remedy.WAIT, by="rule", explanation="It is down")
    model = Model(ADVICE)
    assert Diagnosis(lambda _: rule, model).decide(evidence(), PIPELINE) == rule
    assert not model.asked


def test_a_model_goes_before_a_rule_that_only_says_what_is_seen() -> None:
    assert Diagnosis(lambda _: HUNG, Model(ADVICE)).decide(evidence(), PIPELINE) == ADVICE
    assert Diagnosis(lambda _: None, Model(ADVICE)).decide(evidence(), PIPELINE) == ADVICE


def test_a_model_that_is_refused_leaves_it_to_the_rules_and_why_is_kept() -> None:
    model = Model(Refused(Why.UNSURE, "It is not sure"))
    decided = Diagnosis(lambda _: HUNG, model).decide(evidence(), PIPELINE)
    assert (decided.by, decided.rejected) == ("rule hung", "It is not sure")
    assert Diagnosis(lambda _: None, model).decide(evidence(), PIPELINE).by == "default"


def test_a_decision_that_was_kept_can_be_read_again_and_a_strange_one_is_none() -> None:
    assert decision_of(Care("one", decision=ADVICE.to_dict())) == ADVICE
    assert decision_of(Care("one")) is None
    assert decision_of(Care("one", decision={**ADVICE.to_dict(), "remedy": "reboot"})) is None
    assert decision_of(Care("one", decision={**ADVICE.to_dict(), "of a later release": 1})) is None


def test_one_waits_until_its_cause_is_over_and_then_for_a_little() -> None:
    waits, over = Waits(), set[Cause]()

    def why(now: float, life: str = "one") -> str:
        return waits.why("a", life, lambda cause: cause in over, now=now, patience=120)

    assert why(0) == ""
    assert waits.begin("a", "one", Cause.SERVER_DOWN) and not waits.begin("b", "one", Cause.SERVER_DOWN)
    assert waits.begin("c", "one", Cause.MOUNT_DOWN)
    assert "server down" in why(60) and "server down" in why(9000)
    over.add(Cause.SERVER_DOWN)
    assert "by itself" in why(9060) and "by itself" in why(9179)
    assert why(9180) == "" and why(60, life="two") == ""
    waits.keep(["b", "c"])
    assert why(60) == "" and not waits.begin("d", "one", Cause.SERVER_DOWN)

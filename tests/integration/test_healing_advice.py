"""The paths on which a language model is asked: real workers, real releases, and a stand-in that answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medialift.healing.code.codefix import CodeFixes
from medialift.healing.code.fix import State
from medialift.healing.editing import Editing
from medialift.healing.model.asking import Model
from medialift.settings import Settings
from sandbox.openai.script import decision, edit
from tests.healing_scene import Life, Scene, healing_scene, scene
from tests.healing_worker import PARALLEL
from tests.model_world import KEY, ModelWorld, model_world
from tests.release_world import Installation, installation, installed

__all__ = ["installation", "installed", "scene"]

STALLED: Life = {"do": "stall", "after": 1}
SPEED = "books/speed.py"
FIXED = "nothing moves now"
FAULTY: Life = {"do": "faulty", "without": FIXED}
NOTHING_MOVES = '            return "nothing moves"'
REPAIR = edit(
    SPEED,
    NOTHING_MOVES,
    f'            return "nothing moves" if self.slow == 0 else "{FIXED}"',
)
USELESS = edit(
    SPEED,
    NOTHING_MOVES,
    '            return "nothing moves" if self.slow == 0 else "nothing moves here"',
)
BREAKS = edit(SPEED, "        self.files += 1", "        self.files += 2")


@pytest.fixture
def world() -> Iterator[ModelWorld]:
    with model_world() as made:
        yield made


def asks(scene: Scene, world: ModelWorld, *scripts: Any, **healing: Any) -> None:
    """A healing that asks the stand-in, which says these one after the other."""
    world.stand_in.play(*scripts)
    scene.more = {}
    model = {"enabled": True, "base_url": world.url, "name": "sandbox-model", "timeout": 20.0}
    told = {**healing, "model": model}
    settings = Settings(healing={"cooldown": 0.0, **told})
    scene.model = Model.open(settings, scene.database, environment={"OPENAI_API_KEY": KEY})
    scene.heals(**told)


# -- the model decides --------------------------------------------------------------------------------------


def test_a_model_that_says_restart_is_followed(scene: Scene, world: ModelWorld) -> None:
    asks(scene, world, "restart")
    name = scene.start(STALLED, "well")
    scene.until_treated(name)
    assert scene.decisions(name) == ["model sandbox-model"] and world.asked == 1
    scene.wait_for_progress(name)
    scene.until_verified(name, "recovered")


def test_a_model_that_says_another_setting_is_followed_within_the_bounds(
    scene: Scene, world: ModelWorld
) -> None:
    asks(scene, world, "config_fix")
    name = scene.start(STALLED, "well")
    scene.until_treated(name)
    assert scene.outcomes(name, "decision") == ["config_fix"]
    (member,) = scene.fleet.members()
    assert member.settings == {PARALLEL: "2"} and scene.care(name).settings == {PARALLEL: "2"}
    assert f"{PARALLEL}=2" in Path(f"/proc/{scene.fleet.pid(name)}/environ").read_text()
    scene.wait_for_progress(name)
    scene.until_verified(name, "recovered")
    assert scene.fleet.members()[0].settings == {PARALLEL: "2"}


def test_a_setting_that_did_not_help_is_taken_back(scene: Scene, world: ModelWorld) -> None:
    asks(scene, world, "config_fix", "restart")
    name = scene.start("stall")
    scene.until_treated(name)
    scene.wait_for_log(name, "stalls", 2)
    scene.until_verified(name, "ineffective")
    assert scene.fleet.members()[0].settings == {} and scene.care(name).settings == {}


@pytest.mark.parametrize("answer", ["refusal", "truncated", "prose", "low_confidence", "error"])
def test_an_answer_that_is_none_leaves_it_to_the_rules(scene: Scene, world: ModelWorld, answer: str) -> None:
    asks(scene, world, answer, answer, answer)
    name = scene.start(STALLED, "well")
    scene.until_treated(name)
    (entry,) = scene.history(name, "decision")
    assert entry.detail["by"] in ("rule hung", "default") and entry.detail["rejected"]
    assert scene.outcomes(name, "remedy") == ["applied"]


@pytest.mark.parametrize("answer", ["forbidden_setting", "out_of_bounds", "forbidden_module", "escalate"])
def test_an_answer_beyond_its_bounds_changes_nothing(scene: Scene, world: ModelWorld, answer: str) -> None:
    asks(scene, world, answer, answer, answer, code_fixes=True)
    name = scene.start(STALLED, "well")
    scene.until_treated(name)
    assert scene.decisions(name) in (["rule hung"], ["default"])
    (member,) = scene.fleet.members()
    assert (member.settings, member.release, member.enabled) == ({}, None, True)


def test_what_was_measured_is_not_asked_about(scene: Scene, world: ModelWorld, tmp_path: Path) -> None:
    scene.mounts = [tmp_path / "nowhere"]
    scene.more = {}
    asks(scene, world, "restart")
    name = scene.start(STALLED)
    scene.rounds_until(lambda _: scene.decisions(name))
    assert scene.decisions(name) == ["rule mount_down"] and world.asked == 0 and scene.untouched()


# -- edits of the code --------------------------------------------------------------------------------------


class Canaries:
    """A scene whose workers run from an installation, and may have edits of it."""

    def __init__(self, scene: Scene, installation: Installation, world: ModelWorld) -> None:
        self.scene, self.installation, self.world = scene, installation, world
        self.fixes = installation.fixes()

    def asks(self, *edits: str, **healing: Any) -> None:
        """A model that wants an edit each time it is asked, and writes these."""
        wants = {"content": decision(root_cause="code", remedy="code_fix", module=SPEED)}
        scripts = [script for words in edits for script in (wants, {"content": words})]
        asks(self.scene, self.world, *scripts, "restart", "restart", code_fixes=True, **healing)
        self.scene.editing = Editing(self.fixes, self.scene.model)
        self.scene.heals(code_fixes=True, **healing)

    def states(self) -> list[State]:
        return [fix.state for fix in reversed(self.fixes.all())]


@pytest.fixture
def canaries(
    ledger_url: str, tmp_path: Path, installation: Installation, world: ModelWorld
) -> Iterator[Canaries]:
    with healing_scene(ledger_url, tmp_path, installation.first) as made:
        yield Canaries(made, installation, world)


def test_an_edit_that_helps_its_canary_is_for_all_and_can_be_taken_back(canaries: Canaries) -> None:
    scene, installation = canaries.scene, canaries.installation
    canaries.asks(REPAIR)
    name, other = scene.start_all([[FAULTY], ["well"]], items=3000)
    before = installation.current
    scene.until_treated(name)
    assert canaries.states() == [State.TRIAL] and installation.current == before
    trial, common = scene.fleet.members()
    assert trial.release is not None and trial.release.name.endswith(".fix1") and common.release is None
    scene.wait_for_progress(name)
    assert str(trial.release) in Path(f"/proc/{scene.fleet.pid(name)}/cmdline").read_text()
    scene.until_verified(name, "recovered")
    assert canaries.states() == [State.IN_FORCE]
    assert installation.current == trial.release / "venv"
    assert scene.outcomes(name, "code_fix") == ["trial", "accepted"]
    accepted = scene.history(name, "code_fix")[-1]
    assert FIXED in accepted.detail["diff"] and accepted.detail["explanation"]
    assert [notice.event for notice in scene.told] == ["code_fixed"]
    assert other not in {entry.worker for entry in scene.history()}
    scene.rounds_until(lambda _: {one.release for one in scene.fleet.members()} == {trial.release})
    assert len(scene.fleet.lives(other)) == 1, "the others have it from their next start on"
    canaries.fixes.revert()
    assert installation.current == before
    scene.rounds_until(lambda _: {one.release for one in scene.fleet.members()} == {None})


def test_an_edit_that_does_not_help_is_thrown_away_and_current_never_moves(canaries: Canaries) -> None:
    scene, installation = canaries.scene, canaries.installation
    canaries.asks(USELESS)
    name = scene.start(FAULTY)
    before = installation.current
    scene.until_treated(name)
    scene.wait_for_log(name, "stalls", 2)
    scene.until_verified(name, "ineffective")
    assert canaries.states() == [State.DISCARDED] and installation.current == before
    assert scene.fleet.members()[0].release is None and scene.care(name).release == ""
    assert scene.outcomes(name, "code_fix") == ["trial", "discarded"]
    assert installation.names() == [installation.first.name], "its files are there still"
    assert scene.care(name).attempts == 1 and not scene.told


@pytest.mark.parametrize(
    ("words", "why"),
    [
        pytest.param(BREAKS, "self-test", id="it makes the self-test fail"),
        pytest.param(edit("settings.py", "x", "y"), "settings.py", id="it is about another file"),
        pytest.param(edit(SPEED, "there is no such line", "x"), "not in the module", id="it does not fit"),
        pytest.param(
            edit(SPEED, '            return "nothing moves"', "            return ("),
            SPEED,
            id="it does not parse",
        ),
    ],
)
def test_an_edit_that_is_refused_never_reaches_a_worker(canaries: Canaries, words: str, why: str) -> None:
    scene, installation = canaries.scene, canaries.installation
    canaries.asks(words)
    name = scene.start(FAULTY)
    before = installation.current
    scene.until_treated(name)
    (refused,) = scene.history(name, "code_fix")
    assert refused.outcome == "refused" and why in refused.subject, refused
    remedy = scene.history(name, "remedy")[0]
    assert remedy.detail["decision"]["remedy"] == "restart" and why in remedy.subject
    assert installation.current == before and installation.names() == [installation.first.name]
    assert scene.fleet.members()[0].release is None
    assert str(installation.first) in Path(f"/proc/{scene.fleet.pid(name)}/cmdline").read_text()


def test_edits_that_are_turned_off_are_not_even_asked_for(canaries: Canaries) -> None:
    scene = canaries.scene
    fixes = CodeFixes(canaries.installation.releases, enabled=False)
    asks(scene, canaries.world, {"content": decision(root_cause="code", remedy="code_fix", module=SPEED)})
    scene.editing = Editing(fixes, scene.model)
    scene.heals()
    name = scene.start(STALLED, "well")
    scene.until_treated(name)
    assert scene.outcomes(name, "decision") == ["restart"] and canaries.world.asked == 1
    assert not scene.history(name, "code_fix")


def test_no_key_reaches_a_worker_or_the_history(scene: Scene, world: ModelWorld) -> None:
    asks(scene, world, "restart")
    name = scene.start(STALLED, "well")
    scene.until_treated(name)
    environment = Path(f"/proc/{scene.fleet.pid(name)}/environ").read_text()
    assert KEY not in environment and os.environ.get("OPENAI_API_KEY") is None
    assert KEY not in str([entry.to_dict() for entry in scene.history()])

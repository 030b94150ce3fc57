"""A setting counts when it was read back, and only then."""

from __future__ import annotations

import pytest

from medialift.errors import Permanent, Unsafe
from medialift.plex import guard, preferences
from medialift.plex.server import Preference


class Plex:
    """As the real one: it takes any name, and answers nothing that would tell."""

    def __init__(self, **there: tuple[str, str]) -> None:
        self.there = {name: Preference(name, kind, value, value) for name, (kind, value) in there.items()}
        self.deaf: set[str] = set()
        self.asked: list[str] = []

    def preferences(self) -> dict[str, Preference]:
        return dict(self.there)

    def set_preference(self, name: str, value: str) -> None:
        self.asked.append(name)
        if name in self.there and name not in self.deaf:
            if self.there[name].type == "bool":
                value = "true" if value == "1" else "false"
            self.there[name] = Preference(name, self.there[name].type, value, "")


@pytest.fixture
def plex() -> Plex:
    return Plex(
        autoEmptyTrash=("bool", "true"),
        ButlerStartHour=("int", "2"),
        MusicAnalysisBehavior=("text", "asap"),
    )


def test_what_differs_is_set_and_a_second_time_nothing(plex: Plex) -> None:
    wanted = {"autoEmptyTrash": False, "ButlerStartHour": 2, "MusicAnalysisBehavior": "never"}
    changes = preferences.apply(plex, wanted)
    assert [(c.id, c.before, c.after) for c in changes] == [
        ("autoEmptyTrash", "true", "0"),
        ("MusicAnalysisBehavior", "asap", "never"),
    ]
    assert preferences.apply(plex, wanted) == []


def test_an_unknown_setting_is_an_error_and_nothing_was_set(plex: Plex) -> None:
    with pytest.raises(Permanent, match="AutoScan"):
        preferences.apply(plex, {"autoEmptyTrash": False, "AutoScan": False})
    assert plex.asked == []


def test_a_setting_that_was_not_kept_is_an_error(plex: Plex) -> None:
    plex.deaf.add("autoEmptyTrash")
    with pytest.raises(Permanent, match="autoEmptyTrash is true, not 0"):
        preferences.apply(plex, {"autoEmptyTrash": False})


def test_numbers_and_switches_may_come_as_text(plex: Plex) -> None:
    assert preferences.plan(plex, {"autoEmptyTrash": "true", "ButlerStartHour": "2"}) == []


def test_the_lockdown_forbids_music_analysis_unless_it_is_wanted() -> None:
    assert preferences.lockdown()["MusicAnalysisBehavior"] == "never"
    assert preferences.lockdown(sonic=True)["MusicAnalysisBehavior"] == "scheduled"


def test_a_null_takes_a_setting_out_of_the_lockdown() -> None:
    assert "GenerateVADBehavior" not in preferences.lockdown(overrides={"GenerateVADBehavior": None})


@pytest.mark.parametrize("value", [True, "1", "yes"])
def test_nobody_can_switch_the_trash_on_in_a_run(value: bool | str) -> None:
    with pytest.raises(Permanent, match="autoEmptyTrash"):
        preferences.lockdown(overrides={"autoEmptyTrash": value})


def test_taking_the_trash_out_of_the_lockdown_does_not_get_past_the_proof(plex: Plex) -> None:
    preferences.apply(plex, {"MusicAnalysisBehavior": "never"})
    with pytest.raises(Unsafe, match="empty its trash"):
        guard.prove_trash_off(plex)
    preferences.apply(plex, {"autoEmptyTrash": False})
    guard.prove_trash_off(plex)


def test_a_trash_setting_that_is_not_listed_proves_nothing() -> None:
    with pytest.raises(Unsafe, match="not listed"):
        guard.prove_trash_off(Plex())

"""The module plex_preflight, as a playbook uses it, against a real store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.preflight_world import NAME, SECTIONS, VERSION, PreflightWorld, make, section
from tests.store_world import StoreWorld

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def world(store_of_test: StoreWorld) -> PreflightWorld:
    return make(store_of_test)


@pytest.fixture
def preflight(world: PreflightWorld, run_module: Run) -> Run:
    def run(*, check: bool = False, **changes: Any) -> dict[str, Any]:
        options = {name: value for name, value in {**world.options, **changes}.items() if value is not None}
        return run_module("plex_preflight", options, check=check)

    return run


def test_it_changes_nothing_and_check_mode_says_the_same(world: PreflightWorld, preflight: Run) -> None:
    world.reference()
    told = preflight()
    assert told["changed"] is False
    assert (told["plan"]["plex_version"], told["plan"]["reference"]["name"]) == (VERSION, NAME)
    assert preflight(check=True) == told


def test_what_is_wrong_fails_with_its_kind_and_hint(world: PreflightWorld, preflight: Run) -> None:
    world.reference()
    told = preflight(sections=["Filme"])
    assert (told["failed"], told["kind"], told["subject"]) == (True, "permanent", "Filme")
    assert told["hint"] == "Valid are: Movies, Music, Photos"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"times": {"sektion": "4h"}}, "section, sonic"),
        ({"times": {"whole": "soon"}}, "not a duration"),
        ({"settings": {"autoEmptyTrash": True}}, "autoEmptyTrash must be off"),
    ],
)
def test_what_the_run_would_refuse_is_refused_before_a_machine_is_paid_for(
    world: PreflightWorld, preflight: Run, options: dict[str, Any], said: str
) -> None:
    world.reference()
    told = preflight(**options)
    assert told["failed"] and said in told["msg"]
    assert preflight(times={"section": "6h"}, settings={"GenerateBIFBehavior": None})["changed"] is False


def test_a_refusal_shows_no_secret(world: PreflightWorld, preflight: Run) -> None:
    told = preflight(secret_key="an-other-secret-key")
    assert told["failed"] is True
    assert "an-other-secret-key" not in str(told)


def test_a_map_may_come_from_a_file_but_not_from_both(
    world: PreflightWorld, preflight: Run, tmp_path: Path
) -> None:
    world.reference()
    file = tmp_path / "paths.yml"
    file.write_text("/library/media: /cloud/media\n")
    told = preflight(path_map=None, path_map_file=str(file))
    assert told["plan"]["path_map"] == {"/library/media": "/cloud/media"}
    both = preflight(path_map_file=str(file))
    assert both["failed"] and "mutually exclusive" in both["msg"]


def test_what_a_person_should_know_is_a_warning(
    world: PreflightWorld, preflight: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    world.reference(sections=(*SECTIONS, section(4, "Attic", "movie", "/mnt/attic")))
    told = preflight(sections=["Movies"])
    # Ansible shows a warning itself where its controller shares the process, and hands it on elsewhere.
    assert "Attic" in str(told.get("warnings")) + capsys.readouterr().err


def test_values_of_a_survey_may_be_text(world: PreflightWorld, preflight: Run) -> None:
    world.reference()
    assert preflight(photo="yes")["plan"]["sections"] == ["Movies", "Music", "Photos"]
    assert preflight(sections="Movies,Music", photo="no")["plan"]["skipped"].keys() == {"Photos"}

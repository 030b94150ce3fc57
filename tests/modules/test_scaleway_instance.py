"""The module scaleway_instance, as a playbook uses it, against the stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cloud_world import CREDENTIALS, CloudWorld, make_cloud_world

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[CloudWorld]:
    yield from make_cloud_world(tmp_path)


@pytest.fixture
def instance(world: CloudWorld, run_module: Run) -> Run:
    """instance(check=False, diff=False, **options): runs the module with the world's options."""

    def run(*, check: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
        args = {**CREDENTIALS, **world.options, "api_url": world.url, **options}
        return run_module("scaleway_instance", args, check=check, diff=diff)

    return run


def test_check_mode_predicts_and_makes_nothing(world: CloudWorld, instance: Run) -> None:
    predicted = instance(check=True, diff=True)
    assert (predicted["changed"], predicted["predicted"]) == (True, True)
    assert predicted["actions"] == ["create PLAY2-MICRO in fr-par-1"]
    assert predicted["diff"]["before"] == {}
    assert predicted["diff"]["after"]["zone"] == "fr-par-1"
    assert world.is_empty()


def test_it_is_made_once_and_a_second_run_changes_nothing(world: CloudWorld, instance: Run) -> None:
    made = instance(diff=True)
    assert made["changed"] is True
    assert made["instance"]["state"] == "running"
    assert made["instance"]["known_hosts"].startswith(made["instance"]["address"])
    assert made["cost"]["hourly"] == pytest.approx(0.054 + 20 * 0.000118 + 0.004)
    assert made["cost"]["so_far"] >= 0
    assert made["diff"]["after"]["id"] == made["instance"]["id"]

    again = instance(diff=True)
    assert (again["changed"], again["actions"]) == (False, [])
    assert again["instance"] == made["instance"]
    assert again["diff"]["before"] == again["diff"]["after"]
    checked = instance(check=True)
    assert checked["changed"] is False
    assert world.inventory()["servers"] == 1


def test_it_is_taken_away_once(world: CloudWorld, instance: Run) -> None:
    made = instance()
    predicted = instance(state="absent", check=True, diff=True)
    assert (predicted["changed"], predicted["diff"]["after"]) == (True, {})
    assert world.inventory()["servers"] == 1

    gone = instance(state="absent")
    assert (gone["changed"], gone["destroyed"]) == (True, True)
    assert gone["instance"]["id"] == made["instance"]["id"]
    assert gone["cost_eur"] is not None and gone["seconds"] > 0
    assert world.is_empty()

    again = instance(state="absent")
    assert (again["changed"], again["destroyed"], again["removed"]) == (False, True, [])
    assert "instance" not in again


def test_absent_needs_no_more_than_the_name(world: CloudWorld, instance: Run, run_module: Run) -> None:
    instance()
    args = {**CREDENTIALS, "api_url": world.url, "name": "burst", "state": "absent", "poll": "50ms"}
    assert run_module("scaleway_instance", args)["changed"] is True
    assert world.is_empty()


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"secret_key": "5a9db0c5-0000-4000-8000-000000000bad"}, "does not know this API key"),
        ({"secret_key": "hunter2"}, "secret key"),
        ({"secret_key": ""}, "secret_key"),
        ({"offers": [{"zone": "fr-xyz-9", "commercial_type": "PRO2-S"}]}, "no such zone: fr-xyz-9"),
        ({"offers": [{"zone": "fr-par-1", "commercial_type": "PRO2-XXL"}]}, "PRO2-XS"),
        ({"image": "debian_bookwurm"}, "debian_bookworm"),
        ({"offers": []}, "No zone and type to try"),
    ],
)
def test_bad_input_is_a_clear_error(
    world: CloudWorld, instance: Run, options: dict[str, Any], said: str, check: bool
) -> None:
    result = instance(check=check, **options)
    assert result["failed"] is True
    assert said in result["msg"]
    assert result["kind"] == "permanent"
    assert "Traceback" not in json.dumps(result)
    assert "hunter2" not in json.dumps(result)
    assert world.is_empty()


def test_an_interrupted_creation_is_finished_by_the_next_run(world: CloudWorld, instance: Run) -> None:
    world.fault(kind="error", match="PATCH .*/user_data/")
    broken = instance()
    assert (broken["failed"], broken["kind"]) == (True, "transient")
    world.heal()
    assert instance(check=True)["changed"] is True
    finished = instance()
    assert (finished["changed"], finished["instance"]["state"]) == (True, "running")
    assert world.inventory()["servers"] == 1
    assert instance()["changed"] is False


def test_the_next_offer_is_taken_and_the_reason_told_in_check_mode(world: CloudWorld, instance: Run) -> None:
    world.fault(kind="out_of_stock", zone="fr-par-1")
    offers = [
        {"zone": "fr-par-1", "commercial_type": "PLAY2-MICRO"},
        {"zone": "pl-waw-1", "commercial_type": "PRO2-S"},
    ]
    predicted = instance(offers=offers, check=True)
    assert predicted["actions"] == ["create PRO2-S in pl-waw-1"]
    assert predicted["refused"] == ["PLAY2-MICRO in fr-par-1: out of stock"]
    assert instance(offers=offers)["instance"]["zone"] == "pl-waw-1"


def test_credentials_come_from_the_environment_too(
    world: CloudWorld, run_module: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCW_ACCESS_KEY", CREDENTIALS["access_key"])
    monkeypatch.setenv("SCW_SECRET_KEY", CREDENTIALS["secret_key"])
    monkeypatch.setenv("SCW_DEFAULT_ORGANIZATION_ID", CREDENTIALS["organization_id"])
    monkeypatch.setenv("SCW_DEFAULT_PROJECT_ID", CREDENTIALS["project_id"])
    monkeypatch.setenv("SCW_API_URL", world.url)
    assert run_module("scaleway_instance", world.options, check=True)["predicted"] is True


def test_the_documentation_tells_the_options_as_they_are(load_module: Callable[[str], Any]) -> None:
    module = load_module("scaleway_instance")
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    assert _documented(documented) == _specified(module.argument_spec())
    assert yaml.safe_load(module.RETURN) and yaml.safe_load(module.EXAMPLES)


def _documented(options: dict[str, Any]) -> dict[str, Any]:
    return {name: _facts(option, "suboptions", _documented) for name, option in options.items()}


def _specified(options: dict[str, Any]) -> dict[str, Any]:
    return {name: _facts(option, "options", _specified) for name, option in options.items()}


def _facts(option: dict[str, Any], nested: str, inside: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    facts = {
        key: option.get(key)
        for key in ("type", "elements", "choices", "default")
        if option.get(key) is not None
    }
    facts["required"] = bool(option.get("required"))
    if nested in option:
        facts["options"] = inside(option[nested])
    return facts


def test_an_instance_that_was_ready_can_be_spared_and_what_was_never_ready_goes(
    world: CloudWorld, instance: Run
) -> None:
    world.boot.deaf = True
    assert instance(timeout="5s")["failed"] is True
    assert world.inventory()["servers"] == 1
    gone = instance(state="absent", unfinished_only=True)
    assert (gone["changed"], gone["destroyed"]) == (True, True)
    assert world.is_empty()

    world.boot.deaf = False
    made = instance()
    for check in (True, False):
        spared = instance(state="absent", unfinished_only=True, check=check)
        assert (spared["changed"], spared["instance"]["id"]) == (False, made["instance"]["id"])
    assert spared["destroyed"] is False
    assert spared["cost_eur"] is not None and spared["removed"] == []
    assert world.inventory()["servers"] == 1

"""Job templates and surveys are valid for AWX and Semaphore, and ask only for what playbooks know."""

import json
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SURVEYS = sorted((ROOT / "awx" / "surveys").glob("*.json"))
TEMPLATES = yaml.safe_load((ROOT / "awx" / "job_templates.yml").read_text())["controller_templates"]
SEMAPHORE = json.loads((ROOT / "semaphore" / "project.json").read_text())

# What AWX accepts: awx/api/views, _validate_spec_data.
AWX_TYPES = {
    "text": str,
    "textarea": str,
    "password": str,
    "integer": int,
    "float": float,
    "multiplechoice": str,
    "multiselect": str,
}


def known_variables() -> set[str]:
    """Every variable that a role declares or a playbook or its variables mention."""
    text = "".join(
        file.read_text()
        for file in [*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/*/meta/argument_specs.yml")]
    )
    return set(re.findall(r"[a-z][a-z0-9_]+", text))


@pytest.mark.parametrize("survey", SURVEYS, ids=lambda path: path.stem)
def test_awx_accepts_the_survey(survey):
    told = json.loads(survey.read_text())
    assert told["name"] and told["description"] and told["spec"]
    assert len({question["variable"] for question in told["spec"]}) == len(told["spec"])
    for question in told["spec"]:
        assert question["question_name"]
        assert isinstance(question["required"], bool)
        kind = AWX_TYPES[question["type"]]
        default = question.get("default")
        assert default is None or isinstance(default, kind), question["variable"]
        for bound in ("min", "max"):
            assert isinstance(question.get(bound, 0), int)
        if question["type"] in ("multiplechoice", "multiselect"):
            assert default in question["choices"].split("\n")


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template["name"])
def test_a_template_names_a_playbook_and_a_survey_that_exist(template):
    assert (ROOT / template["playbook"]).is_file()
    named = re.search(r"lookup\('ansible.builtin.file', '([^']+)'\)", template["survey_spec"])
    assert (ROOT / "awx" / named[1]) in SURVEYS
    assert template["survey_enabled"]


def test_every_survey_belongs_to_a_template():
    assert {path.name for path in SURVEYS} == {
        Path(re.search(r"surveys/([\w.]+)", template["survey_spec"])[0]).name for template in TEMPLATES
    }


def test_semaphore_s_templates_are_those_of_awx():
    assert [one["name"] for one in SEMAPHORE["templates"]] == [one["name"] for one in TEMPLATES]
    for semaphore, awx in zip(SEMAPHORE["templates"], TEMPLATES, strict=True):
        survey = json.loads((ROOT / "awx/surveys" / f"{Path(awx['playbook']).stem}.json").read_text())
        assert semaphore["playbook"] == awx["playbook"]
        assert [one["name"] for one in semaphore["survey_vars"]] == [
            one["variable"] for one in survey["spec"]
        ]
        for asked, question in zip(semaphore["survey_vars"], survey["spec"], strict=True):
            assert asked["type"] in ("", "int", "enum", "secret")
            assert asked["required"] == question["required"]
            assert (asked["type"] == "secret") == (question["type"] == "password")
            if asked["type"] == "enum":
                assert [one["value"] for one in asked["values"]] == question["choices"].split("\n")


def test_semaphore_s_names_point_at_each_other():
    named = {
        kind: {one["name"] for one in SEMAPHORE[kind]} for kind in ("keys", "repositories", "inventories")
    }
    for template in SEMAPHORE["templates"]:
        assert template["repository"] in named["repositories"]
        assert template["inventory"] in named["inventories"]
        assert template["environment"] in {one["name"] for one in SEMAPHORE["environments"]}
        assert template["view"] in {one["name"] for one in SEMAPHORE["views"]}
    assert all(
        one["ssh_key"] in named["keys"] for one in SEMAPHORE["repositories"] + SEMAPHORE["inventories"]
    )


def test_surveys_ask_only_for_variables_that_playbooks_and_roles_know():
    asked = {
        question["variable"] for survey in SURVEYS for question in json.loads(survey.read_text())["spec"]
    }
    assert asked - known_variables() == set()


def test_no_secret_is_committed_in_either():
    text = (ROOT / "semaphore/project.json").read_text() + (ROOT / "awx/job_templates.yml").read_text()
    assert not re.search(
        r"(password|secret|token)\"?\s*:\s*\"[^\"{]+\"", text.replace('"type": "secret"', "")
    )

"""Every role keeps the rules of the house: one document of its variables, an off-switch, nothing unpinned."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
SECRET = re.compile(r"(secret|password|token|private)(_key)?$")


def read(path: Path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def spec(role: Path):
    return read(role / "meta" / "argument_specs.yml")["argument_specs"]["main"].get("options", {})


def yaml_files(role: Path) -> list[Path]:
    return sorted(role.rglob("*.yml"))


def tasks(role: Path):
    """Every task of a role, those inside blocks too."""

    def walk(entries):
        for task in entries or []:
            yield task
            for part in ("block", "rescue", "always"):
                yield from walk(task.get(part))

    for folder in ("tasks", "handlers"):
        for file in sorted((role / folder).glob("*.yml")):
            yield from walk(read(file))


@pytest.fixture(params=ROLES, ids=lambda path: path.name)
def role(request) -> Path:
    return request.param


def test_the_defaults_say_the_same_as_the_argument_spec(role):
    defaults = read(role / "defaults" / "main.yml") or {}
    documented = {name: option["default"] for name, option in spec(role).items() if "default" in option}
    required = {name for name, option in spec(role).items() if option.get("required")}
    assert defaults == documented
    assert set(spec(role)) == set(defaults) | required


def test_every_variable_is_described_typed_and_carries_the_roles_name(role):
    for name, option in spec(role).items():
        assert name.startswith(f"{role.name}_"), name
        assert option.get("description") and option.get("type"), name


def test_every_secret_is_marked_as_one(role):
    for name, option in spec(role).items():
        if SECRET.search(name):
            assert option.get("no_log") is True, f"{name} would be shown"


def test_every_role_can_be_taken_away_again(role):
    assert (role / "tasks" / "absent.yml").exists()
    entries = read(role / "meta" / "argument_specs.yml")["argument_specs"]
    state = spec(role).get(f"{role.name}_state", {})
    by_variable = "absent" in state.get("choices", [])
    assert by_variable or "absent" in entries, f"say how: {role.name}_state: absent, or tasks_from: absent"


def test_no_fault_is_swallowed(role):
    for task in tasks(role):
        assert not task.get("ignore_errors") and not task.get("ignore_unreachable"), task["name"]
        assert task.get("failed_when") is not False, task["name"]


def test_every_wait_can_be_overridden(role):
    for task in tasks(role):
        limits = {name: value for name, value in task.items() if name in ("retries", "async", "timeout")}
        for options in task.values():
            if isinstance(options, dict):
                limits |= {
                    name: value
                    for name, value in options.items()
                    if re.search(r"timeout$|^wait$|at_most", name)
                }
        for name, value in limits.items():
            assert isinstance(value, str) and "{{" in value, f"{task['name']}: {name} is always {value}"


def test_nothing_moves_under_a_role(role):
    for file in [*yaml_files(role), *role.rglob("*.j2")]:
        for line in file.read_text(encoding="utf-8").splitlines():
            if not re.search(r"refus|such as|description|fail_msg", line):
                assert not re.search(r"(:|=|@)latest\b", line), f"{file.relative_to(ROOT)}: {line.strip()}"


def test_task_names_begin_with_the_role(role):
    # Ansible-lint's production profile wants a capital letter first.
    for task in tasks(role):
        assert task["name"].startswith(f"{role.name.capitalize()} | "), task["name"]


def conditions(task) -> list[str]:
    found = [task.get(key, []) for key in ("when", "until", "failed_when", "changed_when")]
    found.append(task.get("ansible.builtin.assert", {}).get("that", []))
    return [str(one) for entry in found for one in (entry if isinstance(entry, list) else [entry])]


def test_values_that_may_come_from_a_survey_as_text_are_cast_where_they_decide(role):
    # The text "false" is true, and "10" is less than "9".
    for name, option in spec(role).items():
        cast = {"bool": r"\s*\| bool\b", "int": r"\s*\| int\b"}.get(option["type"])
        if cast is None:
            continue
        for task in tasks(role):
            for condition in conditions(task):
                for use in re.finditer(rf"\b{name}\b", condition):
                    assert re.match(cast, condition[use.end() :]), f"{task['name']}: cast {name}"


def test_the_readme_explains_the_role_and_its_table_is_current(role):
    module = importlib.util.spec_from_file_location("role_tables", ROOT / "docs" / "role_tables.py")
    role_tables = importlib.util.module_from_spec(module)
    module.loader.exec_module(role_tables)
    assert (role / "README.md").read_text(encoding="utf-8") == role_tables.written(role), (
        "run docs/role_tables.py"
    )


def test_collections_are_pinned_to_what_the_package_ansible_brings():
    import ansible_collections

    installed = Path(next(iter(ansible_collections.__path__)))
    asked = {entry["name"]: str(entry["version"]) for entry in read(ROOT / "requirements.yml")["collections"]}
    for name, version in asked.items():
        manifest = read(installed / name.replace(".", "/") / "MANIFEST.json")
        assert manifest["collection_info"]["version"] == version, name


def test_every_collection_that_is_used_is_asked_for():
    used = set()
    for file in [*(ROOT / "roles").rglob("*.yml"), *(ROOT / "playbooks").rglob("*.yml")]:
        used |= set(
            re.findall(r"^\s*(?:- )?([a-z_]+\.[a-z_]+)\.[a-z_0-9]+:", file.read_text(encoding="utf-8"), re.M)
        )
    asked = {entry["name"] for entry in read(ROOT / "requirements.yml")["collections"]}
    assert used - {"ansible.builtin"} == asked

"""What the role healing writes: settings that the runtime takes as they are, a unit that systemd takes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from medialift import settings

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "roles/healing"
UNIT = "medialift-healing.service"
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "all": {
        "healing_repair": "false",
        "healing_every": "30s",
        "healing_attempts": "2",
        "healing_watches": {"books": {"library": "/srv/calibre", "server": "http://192.0.2.1:6006"}},
        "healing_pipelines": {"books": {"progress": "7min", "phases": {"logging in": "1min"}}},
        "healing_targets": {"books": "8"},
        "healing_lowest": "2",
        "healing_code_fixes": True,
        "healing_model_enabled": "true",
        "healing_model_url": "http://127.0.0.1:11434/v1",
        "healing_model_name": "small",
        "healing_model_key": "sk-hunter2",
        "healing_notify_urls": ["ntfy://ntfy.example/medialift"],
        "healing_settings": {
            "healing": {"scaling": {"saturated": 0.8}},
            "books": {"password": 'a "quoted" \\ word'},
            "runtime": {"log_level": "info"},
        },
    },
    "off": {"healing_enabled": "false"},
    "no key": {"healing_model_enabled": True, "healing_model_name": "small"},
    "edited before": {"__healing_fixes": {"stat": {"exists": True}}},
}


def group_vars() -> dict[str, Any]:
    """What playbooks/bookshelf.yml gives it on the host of the server."""
    common = yaml.safe_load((ROOT / "playbooks/group_vars/all.yml").read_text())
    group = yaml.safe_load((ROOT / "playbooks/group_vars/books_workers.yml").read_text())
    ours = ("migration_workers", "healing", "__healing")
    return {
        **{name: value for name, value in common.items() if name.startswith("__books")},
        **{name: value for name, value in group.items() if name.startswith(ours)},
        "books_address": "192.0.2.20",
        "books_library": "/srv/calibre",
        "books_user_password": "sandbox-shelf-password",
        "books_workers_count": "6",
        "books_workers_scaled": "true",
    }


def run(folder: Path, plays: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    """Run plays on a host like the sandbox's."""
    inventory = {
        "all": {
            "children": {
                "books_server": {"hosts": {"books": {}}},
                "books_workers": {"hosts": {"books": {"ansible_connection": "local"}}},
            }
        }
    }
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
    (folder / "play.yml").write_text(yaml.safe_dump(plays))
    program = str(Path(sys.executable).parent / "ansible-playbook")
    return subprocess.run(
        [program, "-i", str(folder / "hosts.yml"), str(folder / "play.yml")],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_PYTHON_INTERPRETER": sys.executable},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def a_play(tasks: list[dict[str, Any]], **given: Any) -> dict[str, Any]:
    """Tasks with the role's variables."""
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    seen = {
        "__healing_release": {"stdout": "/opt/medialift/releases/7/venv"},
        "__healing_fixes": {"stat": {"exists": False}},
    }
    return {
        "hosts": "books",
        "gather_facts": False,
        "vars": {**defaults, **seen, **given},
        "vars_files": [str(ROLE / "vars/main.yml")],
        "tasks": tasks,
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """written("off") -> the folder with the settings and the unit of a variant, as the role writes them."""
    folder = tmp_path_factory.mktemp("healing")
    plays = []
    for name, given in {**VARIANTS, "books": group_vars()}.items():
        (folder / name).mkdir()
        settings_file = {"dest": str(folder / name / "healing.toml"), "mode": "0600"}
        unit = {"src": str(ROLE / f"templates/{UNIT}.j2"), "dest": str(folder / name / UNIT)}
        content = {"content": "{{ __healing_settings | medialift_toml }}", **settings_file}
        tasks = [{"ansible.builtin.copy": content}, {"ansible.builtin.template": unit}]
        plays.append(a_play(tasks, **given))
    done = run(folder, plays)
    assert done.returncode == 0, done.stdout + done.stderr
    return lambda name: folder / name


def of(folder: Path) -> settings.Settings:
    return settings.load(folder / "healing.toml").settings


def directives(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (folder / UNIT).read_text().splitlines():
        if re.match("[A-Za-z]+=", line):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def test_its_own_values_are_those_of_the_runtime(written: Callable[[str], Path]) -> None:
    """Whoever sets nothing has what the settings say by themselves."""
    given = of(written("plain"))
    assert given.healing == settings.HealingSettings()
    assert given.database.url.get_secret_value() == "postgresql://medialift@/medialift"


def test_everything_that_can_be_set_arrives(written: Callable[[str], Path]) -> None:
    given = of(written("all"))
    healing, scaling = given.healing, given.healing.scaling
    assert (healing.repair, healing.every, healing.attempts, healing.code_fixes) == (False, 30, 2, True)
    assert healing.pipelines["books"].progress == 420
    assert healing.pipelines["books"].phases == {"logging in": 60}
    assert (scaling.targets, scaling.lowest, scaling.saturated) == ({"books": 8}, 2, 0.8)
    assert healing.model.enabled and healing.model.name == "small"
    assert str(healing.model.key_file) == "/etc/medialift/healing-model.key"
    assert (str(given.books.library), given.books.server) == ("/srv/calibre", "http://192.0.2.1:6006")
    assert given.books.password.get_secret_value() == 'a "quoted" \\ word'
    assert [url.get_secret_value() for url in given.notify.urls] == ["ntfy://ntfy.example/medialift"]
    assert given.runtime.log_level == "info"


def test_off_is_one_variable(written: Callable[[str], Path]) -> None:
    assert of(written("off")).healing.enabled is False


def test_the_key_of_the_model_is_in_no_unit_and_no_settings(written: Callable[[str], Path]) -> None:
    for name in (UNIT, "healing.toml"):
        assert "hunter2" not in (written("all") / name).read_text()
    assert of(written("no key")).healing.model.key_file is None


def test_root_keeps_what_it_needs_and_nothing_more(written: Callable[[str], Path]) -> None:
    unit = directives(written("plain"))
    assert "User" not in unit
    assert unit["CapabilityBoundingSet"] == ["CAP_SYS_PTRACE CAP_DAC_READ_SEARCH"]
    assert unit["ProtectSystem"] == ["strict"]
    # A probe may be stuck in a dead mount for good: whoever waited for it could not be restarted.
    assert unit["KillMode"] == ["process"]
    assert unit["ReadWritePaths"] == ["/run/systemd/system"]
    assert unit["LoadCredential"] == ["medialift.toml:/etc/medialift/healing.toml"]
    assert unit["ExecStart"] == ["/opt/medialift/releases/7/venv/bin/medialift healing watch"]
    # Only who edits code, or did, writes releases.
    for variant in ("all", "edited before"):
        assert directives(written(variant))["ReadWritePaths"] == ["/run/systemd/system /opt/medialift"]


@pytest.mark.parametrize("variant", [*VARIANTS, "books"])
def test_systemd_takes_the_unit(written: Callable[[str], Path], tmp_path: Path, variant: str) -> None:
    unit = tmp_path / UNIT
    text = (written(variant) / UNIT).read_text()
    # Whether the program is there is none of the unit's business.
    unit.write_text(text.replace("/opt/medialift/releases/7/venv/bin/medialift", "/bin/true"))
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert not re.search(rf"{UNIT}.*(Unknown|Failed|ignor|Invalid)", told.stderr), told.stderr


def test_the_healing_knows_of_the_books_what_their_workers_know(written: Callable[[str], Path]) -> None:
    """By playbooks/group_vars: the same library, the same server, and the server's disk where it is."""
    given = of(written("books"))
    assert (str(given.books.library), given.books.server) == ("/srv/calibre", "http://192.0.2.20:6006")
    assert (given.books.user, given.books.password.get_secret_value()) == ("admin", "sandbox-shelf-password")
    assert str(given.books.server_books) == "/srv/mybookshelf2/data"
    assert (given.books.parallel_uploads, given.books.batch) == (4, 50)
    assert given.healing.scaling.targets == {"books": 6}
    assert given.database.url.get_secret_value() == "postgresql://medialift@/medialift?port=5432"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"healing_database_url": "mysql://x"}, "must start with postgresql://"),
    ({"healing_attempts": 0}, "are 1 at least"),
    ({"healing_targets": {"books": "many"}}, "numbers of workers"),
    ({"healing_targets": {"books": 1}, "healing_lowest": 2}, "not below healing_lowest"),
    ({"healing_model_enabled": True}, "healing_model_name"),
    ({"healing_model_enabled": True, "healing_model_name": "x", "healing_model_url": "ftp://x"}, "http"),
    ({"healing_code_fixes": True}, "needs healing_model_enabled"),
]
ACCEPTED = {
    "healing_targets": {"books": 8, "films": "3"},
    "healing_model_enabled": "yes",
    "healing_model_name": "small",
    "healing_code_fixes": "yes",
}


def test_what_cannot_be_meant_is_refused_before_anything_is_done_and_says_why(tmp_path: Path) -> None:
    preflight = yaml.safe_load((ROLE / "tasks/preflight.yml").read_text())
    (tmp_path / "asserts.yml").write_text(
        yaml.safe_dump([task for task in preflight if task["name"].startswith("Healing | refuse")][:4])
    )
    include = {"ansible.builtin.include_tasks": str(tmp_path / "asserts.yml")}
    note = {
        "ansible.builtin.copy": {
            "content": "{{ ansible_failed_result.msg | default('') }}",
            "dest": str(tmp_path / "said-{{ number }}"),
            "mode": "0600",
        }
    }
    cases = [*(given for given, _ in REFUSED), ACCEPTED]
    done = run(
        tmp_path,
        [
            a_play([{"block": [include], "rescue": [note]}], number=str(number), **given)
            for number, given in enumerate(cases)
        ],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = {path.name: path.read_text() for path in tmp_path.glob("said-*")}
    assert set(told) == {f"said-{number}" for number in range(len(REFUSED))}
    for number, (given, said) in enumerate(REFUSED):
        assert said in re.sub(r"\s+", " ", told[f"said-{number}"]), given

"""What the role dashboard writes: settings that the runtime takes as they are, a unit that systemd takes."""

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
ROLE = ROOT / "roles/dashboard"
UNIT = "medialift-dashboard.service"
TOKEN = "mlt_" + "a" * 43
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "all": {
        "dashboard_host": "::",
        "dashboard_port": "9000",
        "dashboard_base_path": "/medialift",
        "dashboard_public_url": "https://media.example.org",
        "dashboard_proxy_addresses": ["127.0.0.1", "10.0.0.0/24"],
        "dashboard_proxy_header": "Remote-User",
        "dashboard_proxy_scope": "act",
        "dashboard_session_lifetime": "2h",
        "dashboard_groups": ["media", "books"],
        "dashboard_notify_urls": ["ntfy://ntfy.example/medialift"],
        "dashboard_people": [{"name": "ada", "scope": "admin", "password": "hunter2hunter2"}],
        "dashboard_tokens": {"prometheus": {"scope": "read", "token": TOKEN}},
        "dashboard_memory": "1G",
        "dashboard_watchdog": "120",
        "dashboard_settings": {"audiobooks": {"inbox": "/srv/in"}, "dashboard": {"login_attempts": 3}},
    },
}


def group_vars(*groups: str) -> dict[str, Any]:
    """What playbooks/dashboard.yml gives it on a host of these groups."""
    found: dict[str, Any] = {}
    common = yaml.safe_load((ROOT / "playbooks/group_vars/all.yml").read_text())
    found |= {name: value for name, value in common.items() if name.startswith("__books")}
    for group in groups:
        text = yaml.safe_load((ROOT / f"playbooks/group_vars/{group}.yml").read_text())
        found |= {
            name: one for name, one in text.items() if name.startswith(("dashboard", "__", "audiobooks"))
        }
    return {**found, "books_address": "192.0.2.20", "medialift_prometheus_token": TOKEN}


def run(
    folder: Path, plays: list[dict[str, Any]], groups: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run plays on a host of these groups."""
    children: dict[str, Any] = {"dashboard": {"hosts": {"shelf": {"ansible_connection": "local"}}}}
    children |= {group: {"hosts": {"shelf": {}}} for group in groups}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": children}}))
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
    seen = {"__dashboard_release": {"stdout": "/opt/medialift/releases/7/venv"}}
    return {
        "hosts": "shelf",
        "gather_facts": False,
        "vars": {**defaults, **seen, **given},
        "vars_files": [str(ROLE / "vars/main.yml")],
        "tasks": tasks,
    }


def writing(folder: Path) -> list[dict[str, Any]]:
    """The tasks that write settings, unit and own address into a folder."""
    folder.mkdir()

    def copy(content: str, name: str) -> dict[str, Any]:
        return {"ansible.builtin.copy": {"content": content, "dest": str(folder / name), "mode": "0600"}}

    unit = {"src": str(ROLE / f"templates/{UNIT}.j2"), "dest": str(folder / UNIT)}
    return [
        copy("{{ __dashboard_text }}", "dashboard.toml"),
        copy("{{ __dashboard_own_url }}", "address"),
        copy("{{ dashboard_tokens | to_json }}", "tokens"),
        {"ansible.builtin.template": unit},
    ]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """written("all") -> the folder with what the role writes of a variant."""
    folder = tmp_path_factory.mktemp("dashboard")
    plays = [a_play(writing(folder / name), **given) for name, given in VARIANTS.items()]
    done = run(folder, plays)
    assert done.returncode == 0, done.stdout + done.stderr
    return lambda name: folder / name


def of(folder: Path) -> settings.Settings:
    return settings.load(folder / "dashboard.toml").settings


def directives(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (folder / UNIT).read_text().splitlines():
        if re.match("[A-Za-z]+=", line):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def test_whoever_sets_nothing_has_what_the_settings_say_by_themselves(
    written: Callable[[str], Path],
) -> None:
    given = of(written("plain"))
    assert given.dashboard == settings.DashboardSettings()
    assert given.diagnostics == settings.DiagnosticsSettings()
    assert given.database.url.get_secret_value() == "postgresql://medialift@/medialift"


def test_everything_that_can_be_set_arrives(written: Callable[[str], Path]) -> None:
    given = of(written("all"))
    dashboard = given.dashboard
    assert (dashboard.host, dashboard.port, dashboard.base_path) == ("::", 9000, "/medialift")
    assert dashboard.public_url == "https://media.example.org"
    assert dashboard.proxy_addresses == ("127.0.0.1", "10.0.0.0/24")
    assert (dashboard.proxy_header, dashboard.proxy_scope) == ("Remote-User", "act")
    assert (dashboard.session_lifetime, dashboard.login_attempts) == (7200, 3)
    assert [url.get_secret_value() for url in given.notify.urls] == ["ntfy://ntfy.example/medialift"]
    assert str(given.audiobooks.inbox) == "/srv/in"
    unit = directives(written("all"))
    assert unit["SupplementaryGroups"] == ["media books"]
    assert (unit["MemoryMax"], unit["WatchdogSec"]) == (["1G"], ["120"])


def test_neither_passwords_nor_tokens_come_into_the_settings_or_the_unit(
    written: Callable[[str], Path],
) -> None:
    for name in ("dashboard.toml", UNIT):
        text = (written("all") / name).read_text()
        assert "hunter2" not in text and TOKEN not in text


def test_it_is_asked_where_it_listens(written: Callable[[str], Path]) -> None:
    assert (written("plain") / "address").read_text() == "http://127.0.0.1:8790"
    assert (written("all") / "address").read_text() == "http://[::1]:9000"


def test_it_has_no_more_rights_than_it_needs(written: Callable[[str], Path]) -> None:
    unit = directives(written("plain"))
    assert unit["User"] == ["medialift"]
    assert unit["CapabilityBoundingSet"] == [""]
    assert (unit["ProtectSystem"], unit["NoNewPrivileges"]) == (["strict"], ["true"])
    assert unit["StateDirectory"] == ["medialift-diagnostics"] and "ReadWritePaths" not in unit
    assert unit["LoadCredential"] == ["medialift.toml:/etc/medialift/dashboard.toml"]
    assert unit["ExecStart"] == ["/opt/medialift/releases/7/venv/bin/medialift dashboard serve"]


@pytest.mark.parametrize("variant", VARIANTS)
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


@pytest.mark.parametrize(
    ("groups", "url"),
    [
        ((), "postgresql://medialift@/medialift"),
        (("books_server",), "postgresql://medialift@/medialift?port=5432"),
        (("audiobooks",), "postgresql://medialift@/medialift"),
    ],
    ids=["alone", "with the books", "with the audiobooks"],
)
def test_it_knows_by_the_playbooks_what_it_shows(tmp_path: Path, groups: tuple[str, ...], url: str) -> None:
    given = group_vars("dashboard", *(group for group in groups if group == "audiobooks"))
    done = run(tmp_path, [a_play(writing(tmp_path / "made"), **given)], groups)
    assert done.returncode == 0, done.stdout + done.stderr
    found = of(tmp_path / "made")
    assert found.database.url.get_secret_value() == url
    if "books_server" in groups:
        assert (found.books.server, found.books.max_upload) == ("http://192.0.2.20:6006", 524_288_000)
    if "audiobooks" in groups:
        assert str(found.audiobooks.converted) == "/srv/audiobooks/converted"
    assert TOKEN in (tmp_path / "made/tokens").read_text()


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"dashboard_database_url": "mysql://x"}, "dashboard_database_url with postgresql://"),
    ({"dashboard_host": "0.0.0.0; rm"}, "an address or a name"),
    ({"dashboard_port": "70000"}, "from 1 to 65535"),
    ({"dashboard_base_path": "medialift/"}, "begins with a slash"),
    ({"dashboard_public_url": "media.example.org"}, "starts with http:// or https://"),
    ({"dashboard_proxy_header": "Remote-User"}, "which proxies are believed"),
    ({"dashboard_tokens": {"prometheus": {"token": "mlt_short"}}}, "32 random letters"),
    ({"dashboard_tokens": {"prometheus": {"token": TOKEN, "scope": "root"}}}, "has a scope"),
]


def test_what_cannot_be_meant_is_refused_before_anything_is_done_and_says_why(tmp_path: Path) -> None:
    preflight = yaml.safe_load((ROLE / "tasks/preflight.yml").read_text())
    asserts = [task for task in preflight if task["name"].startswith("Dashboard | refuse")][:3]
    (tmp_path / "asserts.yml").write_text(yaml.safe_dump(asserts))
    include = {"ansible.builtin.include_tasks": str(tmp_path / "asserts.yml")}
    note = {
        "ansible.builtin.copy": {
            "content": "{{ ansible_failed_result.msg | default('') }}",
            "dest": str(tmp_path / "said-{{ number }}"),
            "mode": "0600",
        }
    }
    cases = [*(given for given, _ in REFUSED), VARIANTS["all"]]
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
        text = re.sub(r"\s+", " ", told[f"said-{number}"])
        assert said in text, given
        assert TOKEN not in text and "mlt_short" not in text

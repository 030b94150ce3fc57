"""What the role audiobooks writes: settings that the runtime takes as they are, a unit that systemd takes."""

from __future__ import annotations

import json
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

ROOT = Path(__file__).parents[3]
ROLE = ROOT / "roles/audiobooks"
UNIT = "medialift-audiobooks.service"
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "all": {
        "audiobooks_user": "reader",
        "audiobooks_group": "media",
        "audiobooks_groups": ["share"],
        "audiobooks_umask": "0027",
        "audiobooks_folder": "/home/shelf/books of mine",
        "audiobooks_bitrate": "96",
        "audiobooks_overwrite": "yes",
        "audiobooks_hold": "false",
        "audiobooks_tagging": "never",
        "audiobooks_tagger": "beets",
        "audiobooks_fallback_regions": ["uk", "de"],
        "audiobooks_audible_token": "hunter2-audible",
        "audiobooks_rclone_config": "[far]\ntype = s3\nsecret_access_key = hunter2-rclone",
        "audiobooks_secrets": {"shelf": "hunter2-shelf"},
        "audiobooks_destinations": {
            "near": {
                "path": "/srv/media/books",
                "transfer": "hardlink",
                "rescan": "audiobookshelf",
                "rescan_url": "http://127.0.0.1:13378",
                "rescan_library": "main",
                "rescan_token": "shelf",
            },
            "far": {"path": "far:books", "transfer": "rclone"},
        },
        "audiobooks_settings": {
            "audiobooks": {"tagging": {"confidence": 0.9}},
            "runtime": {"log_level": "info"},
        },
        "audiobooks_environment": {"SLEEP_TIME": 20, "MATCH_FILTER": '100 % "sure"'},
    },
}


def run(folder: Path, plays: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    (folder / "play.yml").write_text(yaml.safe_dump(plays))
    return subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"),
            *("-i", "localhost,", "-c", "local"),
            str(folder / "play.yml"),
        ],
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
    seen = {"__audiobooks_release": {"stdout": "/opt/medialift/releases/7/venv"}}
    return {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {**defaults, **seen, **given},
        "vars_files": [str(ROLE / "vars/main.yml")],
        "tasks": tasks,
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """written("all") -> the folder with the settings, the unit and the check of a variant."""
    folder = tmp_path_factory.mktemp("audiobooks")
    plays = []
    for name, given in VARIANTS.items():
        (folder / name).mkdir()
        of_role = ("text", "validate", "folder_mode", "packages")
        told = f"{{{{ [{', '.join(f'__audiobooks_{one}' for one in of_role)}] | to_json }}}}"
        copied = {"content": told, "dest": str(folder / name / "told.json"), "mode": "0600"}
        unit = {"src": str(ROLE / f"templates/{UNIT}.j2"), "dest": str(folder / name / UNIT)}
        plays.append(a_play([{"ansible.builtin.copy": copied}, {"ansible.builtin.template": unit}], **given))
    done = run(folder, plays)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in VARIANTS:
        text, *_ = read(folder / name)
        (folder / name / "audiobooks.toml").write_text(text)
    return lambda name: folder / name


def read(folder: Path) -> tuple[str, list[str], str, list[str]]:
    """The settings, the command that checks them, the mode of folders, and the packages."""
    text, check, mode, packages = json.loads((folder / "told.json").read_text())
    return text, check, mode, packages


def of(folder: Path) -> settings.Settings:
    return settings.load(folder / "audiobooks.toml").settings


def directives(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (folder / UNIT).read_text().splitlines():
        if re.match("[A-Za-z]+=", line):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def test_its_own_values_are_those_of_the_runtime(written: Callable[[str], Path]) -> None:
    """Whoever sets nothing has what the settings say by themselves, but for where its state lies."""
    given, usual = of(written("plain")).audiobooks, settings.AudiobooksSettings()
    tagging = given.tagging.model_copy(update={"cache": usual.tagging.cache})
    assert given.model_copy(update={"work": usual.work, "tagging": tagging}) == usual
    assert str(given.work) == "/var/lib/medialift-audiobooks/work"


def test_everything_that_can_be_set_arrives(written: Callable[[str], Path]) -> None:
    given = of(written("all"))
    books = given.audiobooks
    assert str(books.inbox) == "/home/shelf/books of mine/inbox"
    assert (books.bitrate, books.overwrite, books.hold) == (96, True, False)
    assert (books.tagging.mode, books.tagging.tagger) == ("off", "beets")
    assert books.tagging.beet == "/opt/medialift-beets/bin/beet"
    assert (books.tagging.fallback_regions, books.tagging.confidence) == (("uk", "de"), 0.9)
    assert books.rclone == "/opt/rclone/bin/rclone"
    near = books.destinations["near"]
    assert (near.transfer, near.rescan, near.rescan_library) == ("hardlink", "audiobookshelf", "main")
    assert str(near.rescan_token_file) == "/var/lib/medialift-audiobooks/secrets/shelf"
    assert str(books.tagging.token_file) == "/var/lib/medialift-audiobooks/secrets/audible"
    assert given.runtime.log_level == "info"


def test_no_token_is_in_the_settings_the_unit_or_a_command_line(written: Callable[[str], Path]) -> None:
    for file in ("told.json", UNIT):
        assert "hunter2" not in (written("all") / file).read_text(), file


def test_a_rename_and_a_hard_link_go_from_one_folder_to_another(written: Callable[[str], Path]) -> None:
    """Every folder that systemd names by itself would be a mount of its own, and neither crosses mounts."""
    for variant in VARIANTS:
        unit = directives(written(variant))
        assert unit["ProtectSystem"] == ["full"]
        assert not {"ReadWritePaths", "BindPaths"} & set(unit)
        # Nothing goes from its records to a library, or back.
        assert unit["StateDirectory"] == ["medialift-diagnostics-audiobooks"]
    assert directives(written("plain"))["ProtectHome"] == ["read-only"]
    assert "ProtectHome" not in directives(written("all")), "its folders are in a home"


def test_books_belong_to_whom_they_should_and_have_the_modes_of_the_umask(
    written: Callable[[str], Path],
) -> None:
    unit = directives(written("all"))
    assert (unit["User"], unit["Group"], unit["SupplementaryGroups"]) == (["reader"], ["media"], ["share"])
    assert (unit["UMask"], read(written("all"))[2]) == (["0027"], "2750")
    assert (directives(written("plain"))["UMask"], read(written("plain"))[2]) == (
        ["0022"],
        "2755",
    )


def test_its_settings_are_checked_with_the_rights_and_the_environment_of_the_unit(
    written: Callable[[str], Path],
) -> None:
    _, words, _, _ = read(written("all"))
    for word in ("User=reader", "Group=media", "SupplementaryGroups=share"):
        assert f"--property={word}" in words
    assert "--setenv=SLEEP_TIME=20" in words
    assert "--setenv=RCLONE_CONFIG=/var/lib/medialift-audiobooks/rclone.conf" in words
    assert words[-1] == "/opt/medialift/current/bin/medialift"


def test_it_waits_for_the_mounts_of_its_folders_and_of_the_libraries_that_are_folders_here(
    written: Callable[[str], Path],
) -> None:
    (mounts,) = directives(written("all"))["RequiresMountsFor"]
    assert '"/home/shelf/books of mine/inbox"' in mounts
    assert "/srv/media/books" in mounts and "far:books" not in mounts


def test_rsync_is_installed_for_who_uses_it(written: Callable[[str], Path]) -> None:
    assert read(written("plain"))[3] == ["ffmpeg"]


@pytest.mark.parametrize("variant", [*VARIANTS])
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


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"audiobooks_inbox": "inbox"}, "must be absolute paths"),
    ({"audiobooks_failed": "/srv/audiobooks/inbox"}, "and five"),
    ({"audiobooks_umask": "22"}, "four digits"),
    ({"audiobooks_state_folder": "/"}, "below a top folder"),
    ({"audiobooks_database_url": "mysql://x"}, "starts with postgresql://"),
    ({"audiobooks_destinations": {"a": {"path": "/x", "rescan_token": "shelf"}}}, "does not have: shelf"),
    ({"audiobooks_secrets": {"../x": "y"}}, "of letters, digits"),
    (
        {"audiobooks_destinations": {"a": {"path": "far:x", "transfer": "rclone"}}},
        "needs audiobooks_rclone_config",
    ),
]


def test_what_cannot_be_meant_is_refused_before_anything_is_done_and_says_why(tmp_path: Path) -> None:
    preflight = yaml.safe_load((ROLE / "tasks/preflight.yml").read_text())
    asserts = [task for task in preflight if "ansible.builtin.assert" in task][:4]
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
        assert said in re.sub(r"\s+", " ", told[f"said-{number}"]), given

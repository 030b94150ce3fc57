"""The module plex_db_export, as Ansible runs it, with a real library, Plex's SQLite and jobs of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from medialift.foundation import archive
from tests.unit.plex.export_world import VERSION, make_data

ROOT = Path(__file__).parents[2]
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A host: Plex's folder, a settings file, and the stand-in of Plex's own SQLite."""
    make_data(tmp_path / "plex")
    shell = tmp_path / "Plex SQLite"
    shell.write_text(f'#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m sandbox.plex.shell "$@"\n')
    shell.chmod(0o755)
    (tmp_path / "medialift.toml").write_text(
        f"""
[plex]
url = "http://127.0.0.1:9"
data = "{tmp_path}/plex"
workspace = "{tmp_path}/work"
sqlite = ["{shell}"]
[runtime]
free_space = "0"
"""
    )
    return tmp_path


@pytest.fixture
def export(world: Path, run_module: Run) -> Run:
    """export({options}) with those of this host filled in."""

    def run(*, check: bool = False, diff: bool = False, **options: Any) -> dict[str, Any]:
        given = {
            "config": str(world / "medialift.toml"),
            "destinations": [str(world / "archives")],
            "jobs_folder": str(world / "jobs"),
            "supervisor": "process",
            "plex_version": VERSION,
            "poll": 0.1,
            "timeout": 60,
        }
        return run_module("plex_db_export", {**given, **options}, check=check, diff=diff)

    return run


def archives(world: Path) -> list[str]:
    return sorted(path.name for path in (world / "archives").glob("*/*.tar.zst"))


def test_it_exports_and_tells_what_and_where(world: Path, export: Run) -> None:
    result = export(path_map={"/library/media": "/cloud/media"})
    assert result["changed"] is True
    (path,) = result["archives"]
    with Path(path).open("rb") as stream:
        assert archive.verify(stream).sha256 == result["sha256"]
    assert [section["name"] for section in result["manifest"]["sections"]] == ["Movies", "Music"]
    assert result["manifest"]["path_map"] == {"forward": {"/library/media": "/cloud/media"}}
    assert result["job"].startswith("plex-export-")
    journal = (world / "jobs" / result["job"] / "journal.jsonl").read_text()
    assert "verify the archive" in journal
    assert list((world / "work").iterdir()) == []


def test_with_a_label_a_second_call_changes_nothing_until_the_archive_is_gone(
    world: Path, export: Run
) -> None:
    first = export(label="before the burst", diff=True)
    assert first["diff"]["before"] == {"archives": []}
    again = export(label="before the burst", diff=True)
    assert (again["changed"], again["job"]) == (False, "")
    assert again["archives"] == first["archives"]
    assert again["sha256"] == first["sha256"]
    assert again["diff"]["before"] == again["diff"]["after"]
    assert export(label="before the burst", check=True)["changed"] is False
    with Path(first["archives"][0]).open("r+b") as file:
        file.truncate(100)
    assert export(label="before the burst", check=True)["changed"] is True


def test_a_second_call_names_the_archive_at_every_destination(world: Path, export: Run) -> None:
    both = [str(world / "archives"), str(world / "outgoing")]
    first = export(label="before the burst", destinations=both)
    assert [Path(archive).parents[1].name for archive in first["archives"]] == ["archives", "outgoing"]
    again = export(label="before the burst", destinations=both)
    assert (again["changed"], again["archives"]) == (False, first["archives"])
    Path(first["archives"][1]).unlink()
    assert export(label="before the burst", destinations=both, check=True)["changed"] is True


def test_check_mode_predicts_name_and_size_and_writes_nothing(world: Path, export: Run) -> None:
    result = export(check=True)
    assert result["changed"] is True
    assert result["predicted"] is False
    assert result["content_bytes"] > (world / "plex/Plug-in Support/Databases").stat().st_size
    assert result["archives"][0].startswith(str(world / "archives/reference/home-"))
    assert not (world / "archives").exists()
    assert not (world / "jobs").exists()


def test_check_mode_on_a_host_without_plex_predicts_a_change(world: Path, export: Run) -> None:
    (world / "plex").rename(world / "elsewhere")
    result = export(check=True)
    assert (result["changed"], result["predicted"]) == (True, True)
    failed = export()
    assert failed["failed"] and "no such Plex data folder" in failed["msg"]


def test_a_call_that_does_not_wait_is_attached_to_by_one_that_does(world: Path, export: Run) -> None:
    started = export(wait=False)
    assert started["changed"] is True
    ended = export()
    if started["job"] == ended["job"]:
        assert len(archives(world)) == 1
    else:  # the first had ended before the second call came
        assert len(archives(world)) >= 1
    assert ended["sha256"]


def test_a_damaged_library_fails_with_the_words_of_plex_sqlite(world: Path, export: Run) -> None:
    library = world / "plex/Plug-in Support/Databases/com.plexapp.plugins.library.db"
    with library.open("r+b") as file:
        # Beyond the header and the schema: torn pages in the middle.
        file.seek(library.stat().st_size // 2)
        file.write(b"\xff" * 20_000)
    failed = export()
    assert failed["failed"]
    assert failed["kind"] in ("unsafe", "permanent")
    assert archives(world) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"destinations": ["relative"]}, "Write /folder or s3://bucket/prefix"),
        ({"destinations": []}, "no destination"),
        ({"destinations": ["s3://bucket/x"]}, "credentials are missing"),
        ({"library": "My Library"}, "library: String should match"),
        ({"contents": ["metadata"]}, "without databases there is no library"),
        ({"level": 40}, "level"),
        ({"path_map": {"relative": "/x"}}, "relative"),
        ({"config": "/nonexistent.toml"}, "no such settings file"),
    ],
)
def test_bad_input_is_a_clear_error(world: Path, export: Run, options: dict[str, Any], message: str) -> None:
    failed = export(**options)
    assert failed["failed"] is True
    assert message in failed["msg"]
    assert archives(world) == []


def test_a_version_that_nobody_knows_is_asked_for(world: Path, export: Run) -> None:
    failed = export(plex_version="")
    assert "version of Plex is not known" in failed["msg"]


def test_no_secret_is_in_the_job(world: Path, export: Run) -> None:
    with (world / "medialift.toml").open("a") as file:
        file.write('[store]\nbucket = "b"\naccess_key = "AKEY12345"\nsecret_key = "hidden-secret-key"\n')
    result = export()
    folder = world / "jobs" / result["job"]
    told = "".join(path.read_text() for path in folder.iterdir()) + json.dumps(result)
    assert "hidden-secret-key" not in told


def test_the_documentation_tells_the_options_as_they_are(load_module: Callable[[str], Any]) -> None:
    module = load_module("plex_db_export")
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]
    specified = module.argument_spec()
    assert set(documented) == set(specified)
    for name, option in specified.items():
        for key in ("type", "default", "choices", "elements"):
            assert documented[name].get(key) == option.get(key), (name, key)
    assert yaml.safe_load(module.EXAMPLES) and yaml.safe_load(module.RETURN)


def test_ansible_reads_its_documentation() -> None:
    shown = subprocess.run(
        [
            Path(sys.executable).parent / "ansible-doc",
            "-M",
            ROOT / "library",
            "-t",
            "module",
            "plex_db_export",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Exports the databases, metadata and media bundles" in shown.stdout

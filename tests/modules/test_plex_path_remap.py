"""The module that moves paths in a library, run as Ansible runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.plex.builder import LibraryBuilder

Module = Callable[..., dict[str, Any]]
MAP = {"/library/media": "/cloud/media"}


@pytest.fixture
def database(tmp_path: Path) -> str:
    with LibraryBuilder(tmp_path / "library.db") as library:
        section = library.add_section("Movies", "movie", "/library/media/Movies")
        library.add_movie(section, "/library/media/Movies/a.mkv", "A")
    return str(tmp_path / "library.db")


def files(database: str) -> list[str]:
    with LibraryBuilder(database) as library:
        return library.parts()


def test_it_counts_then_changes_then_finds_nothing_to_do(run_module: Module, database: str):
    options = {"database": database, "mappings": MAP}
    predicted = run_module("plex_path_remap", options, check=True, diff=True)
    assert (predicted["changed"], predicted["changes"], predicted["predicted"]) == (True, 2, False)
    assert files(database) == ["/library/media/Movies/a.mkv"]
    done = run_module("plex_path_remap", options, diff=True)
    assert (done["changed"], done["tables"]) == (True, predicted["tables"])
    assert done["diff"]["after"] == predicted["diff"]["after"]
    assert "media_parts.file: /cloud/media (1)" in done["diff"]["after"]
    assert Path(done["backup"]).exists() and Path(done["record"]).exists()
    assert files(database) == ["/cloud/media/Movies/a.mkv"]
    again = run_module("plex_path_remap", options)
    assert (again["changed"], again["changes"]) == (False, 0)


def test_a_map_file_and_the_way_back(run_module: Module, database: str, tmp_path: Path):
    (tmp_path / "map.json").write_text(json.dumps({"mappings": MAP}))
    options = {"database": database, "path_map": str(tmp_path / "map.json"), "backup": False}
    assert run_module("plex_path_remap", options)["backup"] == ""
    assert run_module("plex_path_remap", {**options, "inverse": True})["changed"]
    assert files(database) == ["/library/media/Movies/a.mkv"]


def test_a_database_that_is_not_there_yet_is_predicted_in_check_mode_only(run_module: Module, tmp_path: Path):
    options = {"database": str(tmp_path / "none.db"), "mappings": MAP}
    told = run_module("plex_path_remap", options, check=True)
    assert (told["changed"], told["predicted"]) == (True, True)
    told = run_module("plex_path_remap", options)
    assert told["failed"] and "no such database" in told["msg"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mappings": {"media": "/cloud"}}, "not absolute"),
        ({"path_map": "/nowhere/map.json"}, "no such path map"),
        ({}, "one of the following is required"),
        ({"mappings": MAP, "path_map": "/x"}, "mutually exclusive"),
    ],
)
def test_wrong_maps_fail_with_a_reason(run_module: Module, database: str, options: dict, message: str):
    told = run_module("plex_path_remap", {"database": database, **options})
    assert told["failed"] and message in told["msg"]
    assert files(database) == ["/library/media/Movies/a.mkv"]

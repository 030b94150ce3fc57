"""The lock files hold what pyproject.toml asks for, every file of it with its hash."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(requirements: list[str]) -> dict[str, str]:
    """{name: version}; extras in brackets select dependencies, which the lock lists by themselves."""
    found = {}
    for requirement in requirements:
        match = re.fullmatch(r"([\w.-]+)(?:\[[^\]]*\])?==(\S+)", requirement)
        assert match, f"{requirement} is not pinned to one version"
        found[normal(match[1])] = match[2]
    return found


def locked(name: str) -> dict[str, tuple[set[str], int]]:
    """{name: (versions, number of hashes)} of a lock file."""
    found: dict[str, tuple[set[str], int]] = {}
    current = ""
    for line in (ROOT / "requirements" / name).read_text().splitlines():
        if match := re.match(r"([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", line):
            current = normal(match[1])
            versions, hashes = found.get(current, (set(), 0))
            found[current] = (versions | {match[2]}, hashes)
        elif line.strip().startswith("--hash=sha256:"):
            versions, hashes = found[current]
            found[current] = (versions, hashes + 1)
        else:
            assert line.startswith("#"), f"{name} holds something else than pinned packages: {line!r}"
    return found


def listed(name: str) -> list[str]:
    """What an .in file asks for."""
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize(
    ("file", "asked"),
    [
        ("runtime.txt", PROJECT["dependencies"]),
        ("dev.txt", PROJECT["dependencies"] + EXTRAS["controller"] + EXTRAS["test"]),
        ("beets.txt", listed("beets.in")),
    ],
)
def test_a_lock_file_holds_what_the_project_asks_for(file, asked):
    lock = locked(file)
    for name, version in pins(asked).items():
        assert lock.get(name, (set(), 0))[0] == {version}, f"{name}: run requirements/lock"
    assert all(hashes > 0 for _, hashes in lock.values())


def test_the_runtime_lock_holds_nothing_that_the_project_no_longer_asks_for():
    direct = set(pins(PROJECT["dependencies"]))
    development = set(pins(EXTRAS["controller"] + EXTRAS["test"])) - direct
    assert not development & set(locked("runtime.txt")), "a development package is locked for hosts"


def test_both_lock_files_agree_where_they_overlap():
    runtime, development = locked("runtime.txt"), locked("dev.txt")
    assert {name: development.get(name) for name in runtime} == runtime

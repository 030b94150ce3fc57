"""A release is named by what is in it."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "roles" / "runtime" / "files" / "build_release.py"


@pytest.fixture
def build_release():
    spec = importlib.util.spec_from_file_location("build_release", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path):
    package = tmp_path / "src" / "medialift"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "medialift"\nversion = "0.1.0"\n')
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "runtime.txt").write_text("httpx==0.28.1\n")
    return tmp_path


def test_the_same_checkout_is_the_same_release(build_release, checkout):
    version = build_release.release_version(checkout)
    assert re.fullmatch(r"0\.1\.0\+[0-9a-f]{12}", version)
    assert build_release.release_version(checkout) == version


@pytest.mark.parametrize(
    "changed",
    ["src/medialift/__init__.py", "src/medialift/new.py", "requirements/runtime.txt", "pyproject.toml"],
)
def test_a_change_of_anything_that_is_installed_makes_another_release(build_release, checkout, changed):
    before = build_release.release_version(checkout)
    with (checkout / changed).open("a") as file:
        file.write("# changed\n")
    assert build_release.release_version(checkout) != before


def test_a_file_that_moves_makes_another_release(build_release, checkout):
    (checkout / "src/medialift/a.py").write_text("x = 1\n")
    before = build_release.release_version(checkout)
    (checkout / "src/medialift/a.py").rename(checkout / "src/medialift/b.py")
    assert build_release.release_version(checkout) != before


def test_caches_and_the_readme_make_no_new_release(build_release, checkout):
    before = build_release.release_version(checkout)
    (checkout / "src/medialift/__pycache__").mkdir()
    (checkout / "src/medialift/__pycache__/x.cpython-311.pyc").write_bytes(b"x")
    (checkout / "src/medialift/__init__.py~").write_text("old")
    (checkout / "README.md").write_text("words")
    assert build_release.release_version(checkout) == before


def test_a_prediction_builds_nothing(checkout, tmp_path):
    wheels = tmp_path / "wheels"
    said = subprocess.run(
        [sys.executable, str(SCRIPT), str(checkout), str(wheels), "--predict"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert json.loads(said)["built"] is True
    assert not wheels.exists()

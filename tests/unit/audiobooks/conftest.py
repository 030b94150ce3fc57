"""What the tests of audiobooks share."""

import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def other_file_system(tmp_path):
    """An empty folder on another file system than `tmp_path`."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="audiobooks-of-a-test-") as name:
        assert Path(name).stat().st_dev != tmp_path.stat().st_dev
        yield Path(name)

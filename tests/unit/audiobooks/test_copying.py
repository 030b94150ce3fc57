"""Copying a whole file, within a file system and between two."""

import os
from pathlib import Path
from threading import Event

import pytest

from medialift.audiobooks.copying import copy
from medialift.errors import Transient

_CONTENT = os.urandom(9_000_001)


@pytest.fixture(params=["the same", "another"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path):
    """A folder of the same file system as `tmp_path`, and one of another: memory."""
    if request.param == "the same":
        yield tmp_path
        return
    folder = Path("/dev/shm") / f"medialift-{os.getpid()}"
    folder.mkdir()
    if folder.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    yield folder
    for one in folder.iterdir():
        one.unlink()
    folder.rmdir()


@pytest.mark.parametrize("content", [b"", b"one", _CONTENT], ids=["empty", "short", "long"])
def test_a_copy_is_the_same_on_any_file_system(content: bytes, elsewhere: Path, tmp_path: Path) -> None:
    (elsewhere / "a").write_bytes(content)
    copy(elsewhere / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == content
    copy(tmp_path / "b", elsewhere / "a")
    assert (elsewhere / "a").read_bytes() == content


def test_a_copy_that_is_stopped_ends_at_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    stop = Event()
    stop.set()
    with pytest.raises(Transient, match="stopped"):
        copy(tmp_path / "a", tmp_path / "b", stop)

"""A reader of an atomically written file sees the old content or the new, and nothing is left behind."""

import json
import os
import stat

import pytest

from medialift.foundation import atomic


def test_the_old_content_stays_until_the_block_has_ended_well(tmp_path):
    path = tmp_path / "state.json"
    path.write_text("old")
    with atomic.replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_failure_leaves_the_old_content_and_no_partial_file(tmp_path):
    path = tmp_path / "state.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic.replacing(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_the_mode_is_as_asked_whatever_the_old_file_had(tmp_path):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    atomic.write_text(path, "key", mode=0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_json_is_written_readably_and_keeps_letters_as_they_are(tmp_path):
    path = tmp_path / "facts.json"
    atomic.write_json(path, {"name": "Les Misérables"})
    assert json.loads(path.read_text()) == {"name": "Les Misérables"}
    assert "Misérables" in path.read_text()


def test_what_json_cannot_hold_leaves_the_old_file_untouched(tmp_path):
    path = tmp_path / "facts.json"
    atomic.write_json(path, {"items": 1})
    with pytest.raises(TypeError):
        atomic.write_json(path, {"items": object()})
    assert json.loads(path.read_text()) == {"items": 1}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("umask", "mode"), [(0o027, 0o640), (0o002, 0o664), (0o077, 0o600)])
def test_without_a_mode_a_file_has_what_the_umask_leaves(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        atomic.write_text(tmp_path / "book", "new", mode=None)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "book").stat().st_mode) == mode
    assert [one.name for one in tmp_path.iterdir()] == ["book"]

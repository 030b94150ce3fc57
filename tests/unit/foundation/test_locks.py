"""One holder at a time, and everybody can see whether there is one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medialift.foundation import locks


def test_a_lock_is_held_once_and_names_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not locks.busy(path) and locks.holder(path) == 0
    with locks.alone(path) as held:
        assert held and locks.busy(path) and locks.holder(path) == os.getpid()
        with locks.alone(path, at_most=0.1) as second:
            assert not second
        assert locks.holder(path) == os.getpid()
    assert not locks.busy(path) and locks.holder(path) == 0


def test_whoever_tries_gets_it_when_it_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.trying(path) as later:
        with locks.alone(path) as held:
            assert held and not later()
        assert later()


def test_a_link_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"), locks.trying(tmp_path / "lock"):
        pass

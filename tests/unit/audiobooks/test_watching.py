"""A change in the inbox is told at once, and once more when it has been quiet."""

import threading
from threading import Event

import pytest

from medialift.audiobooks import inbox
from medialift.audiobooks.watching import Watching, matters
from medialift.foundation.waiting import wait_until
from tests.audiobook_folders import lay, settings_of, tracks


class Nudges:
    """Counts how often it was nudged."""

    def __init__(self):
        self.count = 0

    def __call__(self):
        self.count += 1

    def reach(self, count):
        return wait_until(lambda: self.count >= count, at_most=30, every=0.02)


@pytest.fixture
def nudges():
    return Nudges()


@pytest.fixture
def settings(tmp_path):
    return settings_of(tmp_path, wait=0.2, rescan=0.2)


def begun(settings, nudges):
    """See that it watches: a change is told. Until then nobody knows."""
    ready = Event()

    def told():
        (settings.inbox / "begin.txt").write_text(str(nudges.count))
        ready.wait(0.2)
        return nudges.count

    assert wait_until(told, at_most=30, every=0.05)


def test_a_change_is_told_and_so_is_the_quiet_after_it(settings, nudges):
    with Watching(settings, nudges):
        begun(settings, nudges)
        before = nudges.count
        lay(settings.inbox / "Ada" / "Sea", tracks(1, 2))
        assert nudges.reach(before + 2)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Sea/01.mp3", True),
        ("Sea/01.mp3.tmp", True),
        (".medialift-removing-1/01.mp3", False),
        ("Sea/@eaDir/01.mp3", False),
        ("Sea/.DS_Store", False),
        ("archive/Sea/01.mp3", False),
    ],
)
def test_what_is_ignored_or_our_own_is_not_told(settings, name, told):
    settings = settings.model_copy(update={"archive": settings.inbox / "archive"})
    assert matters(settings.inbox / name, settings.inbox, inbox.reading(settings)) is told


def test_an_inbox_that_went_and_came_again_is_watched_again(settings, nudges):
    with Watching(settings, nudges):
        begun(settings, nudges)
        for path in settings.inbox.iterdir():
            path.unlink()
        settings.inbox.rmdir()
        settings.inbox.mkdir()
        begun(settings, nudges)
        before = nudges.count
        lay(settings.inbox / "Sea", tracks(1))
        assert nudges.reach(before + 1)


def test_an_inbox_that_is_not_there_yet_is_watched_when_it_is(settings, nudges):
    settings.inbox.rmdir()
    with Watching(settings, nudges):
        settings.inbox.mkdir()
        begun(settings, nudges)


def test_watching_ends_with_its_block(settings, nudges):
    before = threading.active_count()
    with Watching(settings, nudges):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before

"""What an error means for a book: how often it is tried, when, and in which words people are told."""

from __future__ import annotations

import errno

import pytest

from medialift.audiobooks.failing import meaning
from medialift.errors import Permanent, Transient, Unsafe
from medialift.settings import AudiobooksSettings, TaggingSettings

SETTINGS = AudiobooksSettings(max_retries=3, tagging=TaggingSettings(max_retries=5, retry_base=10))


@pytest.mark.parametrize(("attempts", "delay"), [(1, 60), (2, 120), (3, 240), (7, 3600), (40, 3600)])
def test_the_wait_doubles_up_to_an_hour(attempts: int, delay: float) -> None:
    assert meaning(Transient("No room"), "convert", attempts, SETTINGS).delay == delay


def test_tagging_has_attempts_and_waits_of_its_own() -> None:
    assert meaning(Transient("Away"), "convert", 1, SETTINGS).limit == 4
    told = meaning(Transient("Away"), "tag", 1, SETTINGS)
    assert (told.limit, told.delay) == (6, 10)


def test_what_may_pass_is_not_tried_again_where_that_is_switched_off() -> None:
    once = SETTINGS.model_copy(update={"retry_transient": False})
    assert meaning(Transient("Away"), "convert", 1, once).limit == 1
    assert meaning(ValueError("what?"), "convert", 1, once).limit == 1


@pytest.mark.parametrize("error", [Permanent("Empty"), Unsafe("Another book lies there")])
def test_what_a_person_must_act_on_is_never_tried_again(error: Exception) -> None:
    told = meaning(error, "convert", 1, SETTINGS).error
    assert isinstance(told, Permanent | Unsafe)


def test_what_nobody_foresaw_is_tried_once_more_and_names_the_log_without_a_secret() -> None:
    told = meaning(ValueError("https://user:secret@host/x"), "convert", 1, SETTINGS)
    assert isinstance(told.error, Transient) and told.limit == 2
    assert "secret" not in str(told.error) and "log" in str(told.error)


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, Transient), (errno.EIO, Transient), (errno.EROFS, Permanent)]
)
def test_an_error_of_the_system_names_the_file(number: int, kind: type[Exception]) -> None:
    error = OSError(number, "Something", "/srv/audiobooks/scratch/x")
    told = meaning(error, "convert", 1, SETTINGS).error
    assert isinstance(told, kind) and "/srv/audiobooks/scratch/x" in str(told)


def test_an_error_that_may_not_be_read_says_who_must_be_let_in() -> None:
    told = meaning(PermissionError(errno.EACCES, "Permission denied", "/x"), "convert", 1, SETTINGS).error
    assert "user of the intake" in str(told)

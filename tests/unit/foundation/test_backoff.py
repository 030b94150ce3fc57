"""Only what may work later is tried again."""

import logging

import pytest

from medialift.errors import Permanent, Transient, Unsafe
from medialift.foundation.backoff import attempts, retried


def test_a_transient_error_is_tried_again_until_it_works():
    calls = []
    for attempt in attempts(limit=5, first=0.001, jitter=0):
        with attempt:
            calls.append(1)
            if len(calls) < 3:
                raise Transient("The store did not answer")
    assert len(calls) == 3


def test_the_last_transient_error_is_raised_as_it_is():
    calls = []

    @retried(limit=3, first=0.001, jitter=0)
    def ask():
        calls.append(1)
        raise Transient(f"no answer {len(calls)}")

    with pytest.raises(Transient, match="no answer 3"):
        ask()


@pytest.mark.parametrize("kind", [Permanent, Unsafe, ValueError])
def test_any_other_error_is_raised_at_once(kind):
    calls = []

    @retried(limit=3, first=0.001, jitter=0)
    def ask():
        calls.append(1)
        raise kind("no")

    with pytest.raises(kind):
        ask()
    assert len(calls) == 1


def test_a_retry_is_logged_without_the_arguments_of_the_call_and_without_secrets(caplog):
    calls = []

    @retried(limit=2, first=0.001, jitter=0)
    def ask(token):
        calls.append(token)
        raise Transient("refused for X-Plex-Token=hunter22")

    with caplog.at_level(logging.DEBUG), pytest.raises(Transient):
        ask("argument-that-is-secret")
    assert "attempt 1 failed" in caplog.text
    assert "hunter22" not in caplog.text
    assert "argument-that-is-secret" not in caplog.text

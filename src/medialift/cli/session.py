"""What every command starts from: the face it speaks with and the settings, read when first asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import typer

from medialift import settings
from medialift.cli.face import Face
from medialift.errors import MedialiftError, Permanent, Transient, Unsafe
from medialift.foundation.logs import log_to_stderr

OK, FAILED, BAD_INPUT, REFUSED, TRANSIENT = 0, 1, 2, 3, 75


class BadInput(Permanent):
    """What the user gave cannot be used: a settings file, a mapping, a name."""


class Session:
    """One call of the program."""

    def __init__(self, face: Face, config: Path | None) -> None:
        self.face = face
        self._config = config

    @cached_property
    def loaded(self) -> settings.Loaded:
        """The settings with where they came from.

        Raises:
            BadInput: they are wrong.
        """
        with user_input():
            loaded = settings.load(self._config)
        log_to_stderr(loaded.settings.runtime.log_level, settings.secrets(loaded.settings))
        return loaded

    @contextmanager
    def config_for_jobs(self) -> Iterator[None]:
        """A job reads the settings by itself: inside this block it reads the file that --config named."""
        before = os.environ.get(settings.FILE_VARIABLE)
        if self._config is not None:
            os.environ[settings.FILE_VARIABLE] = str(self._config)
        try:
            yield
        finally:
            if self._config is not None:
                os.environ.pop(settings.FILE_VARIABLE)
                if before is not None:
                    os.environ[settings.FILE_VARIABLE] = before

    def serve(self) -> settings.Settings:
        """The settings, for a service: what medialift says of its work goes to systemd's journal."""
        found = self.settings
        log_to_stderr(found.runtime.log_level, settings.secrets(found), service=True)
        return found

    @property
    def config(self) -> Path | None:
        """The file that --config named."""
        return self._config

    @property
    def settings(self) -> settings.Settings:
        """The settings."""
        return self.loaded.settings


def of(context: typer.Context) -> Session:
    """The session of a command."""
    return cast(Session, context.find_root().obj)


@contextmanager
def user_input() -> Iterator[None]:
    """What is wrong inside this block is wrong with what the user gave: exit code 2, not 1."""
    try:
        yield
    except BadInput:
        raise
    except Permanent as error:
        raise BadInput(error.what, error.subject, error.hint) from error


def exit_code(error: MedialiftError) -> int:
    """1 failed, 2 bad input, 3 refused to protect a library, 75 may work later (EX_TEMPFAIL)."""
    if isinstance(error, Unsafe):
        return REFUSED
    if isinstance(error, Transient):
        return TRANSIENT
    return BAD_INPUT if isinstance(error, BadInput) else FAILED


def plain(value: Any) -> Any:
    """Objects with `to_dict`, and collections of them, as what JSON can hold."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value

"""What every command starts from: the face it speaks with and the settings, read when first asked for."""

from __future__ import annotations

import logging
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
from medialift.foundation.text import redact

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
        _log_to_stderr(loaded.settings)
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


class _Redacting(logging.Formatter):
    """Masks the secrets of the settings, and whatever else looks like one."""

    def __init__(self, values: settings.Settings) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._secrets = settings.secrets(values)

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record), self._secrets)


def _log_to_stderr(values: settings.Settings) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_Redacting(values))
    logging.basicConfig(level=values.runtime.log_level.upper(), handlers=[handler])
    # These two tell every request at "info", with its address: only for those who debug.
    for name in ("httpx", "botocore"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))


def plain(value: Any) -> Any:
    """Objects with `to_dict`, and collections of them, as what JSON can hold."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value

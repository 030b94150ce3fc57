"""The key of the model's API: from a file that only its owner can read, or from the environment."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from medialift.errors import Permanent

VARIABLE = "OPENAI_API_KEY"
_MODE = 0o600
_LONGEST = 4096
"""In bytes. What is longer is not a key but the wrong file."""


def read_key(file: Path | None, environment: Mapping[str, str] = os.environ) -> SecretStr:
    """The key; an empty one when there is no file and the environment has none.

    Raises:
        Permanent: the file is absent, can be read by others, or holds no key.
    """
    if file is not None:
        return SecretStr(_checked(_read(file), str(file)))
    given = environment.get(VARIABLE, "").strip()
    return SecretStr(_checked(given, VARIABLE) if given else "")


def _read(file: Path) -> str:
    try:
        # Without O_NONBLOCK a named pipe would be waited for; what is looked at is what is read.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise Permanent(
            "The key of the language model cannot be read",
            str(file),
            f"{error.strerror}: write it there with mode 0600, or correct healing.model.key_file",
        ) from error
    try:
        _check(os.fstat(descriptor), file)
        return os.read(descriptor, _LONGEST + 1).decode("utf-8", "replace").strip()
    finally:
        os.close(descriptor)


def _check(found: os.stat_result, file: Path) -> None:
    """Only root and the user that the healing runs as can have read it."""
    if not stat.S_ISREG(found.st_mode):
        raise Permanent(
            "The key of the language model is not in a file", str(file), "Correct healing.model.key_file"
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode != _MODE:
        raise Permanent(
            f"The file with the language model's key has mode {mode:04o} instead of 0600",
            str(file),
            "Run chmod 0600 on it; if others could read it, replace the key",
        )
    if found.st_uid not in (0, os.geteuid()):
        raise Permanent(
            "The file with the language model's key belongs to another user",
            str(file),
            "Run chown on it: it must belong to root, or to the user that the healing runs as",
        )


def _checked(key: str, origin: str) -> str:
    # It becomes part of a header: anything else there is refused late, with the key in the message.
    if key and len(key) <= _LONGEST and key.isascii() and key.isprintable() and " " not in key:
        return key
    raise Permanent(
        "What stands for the language model's key is none", origin, "Write the key there, on one line"
    )

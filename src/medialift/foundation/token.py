"""The token of a server, out of a file that only its owner reads. It goes into a header and nowhere else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pydantic import SecretStr

from medialift.errors import Permanent

_LONGEST = 4096


def read_token(file: Path | None) -> SecretStr:
    """The token in a file; an empty one when there is no file.

    Raises:
        Permanent: the file is absent, can be read by others, or holds no token.
    """
    if file is None:
        return SecretStr("")
    try:
        # Without O_NONBLOCK a named pipe would be waited for; what is looked at is what is read.
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise Permanent(
            "A token cannot be read",
            str(file),
            f"{error.strerror}: write it there with mode 0600, owned by the user that the service runs as",
        ) from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise Permanent("A token is not in a file", str(file), "Correct its path in the settings")
        if found.st_mode & 0o077:
            mode = stat.S_IMODE(found.st_mode)
            raise Permanent(
                f"Others can read a token: its file has mode {mode:04o}", str(file), f"chmod 600 {file}"
            )
        text = os.read(handle, _LONGEST + 1).decode("utf-8", "replace").strip()
    finally:
        os.close(handle)
    # It becomes part of a header: anything else there is refused late, with the token in the message.
    if not text or len(text) > _LONGEST or not text.isascii() or not text.isprintable() or " " in text:
        raise Permanent("What stands for a token is none", str(file), "Write the token there, on one line")
    return SecretStr(text)

"""The token of Audible: read from a file that nobody else may read, and sent to Audible alone.

The catalogue needs none today (facts of the house, "Metadata endpoints"); one that is given is sent.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import SecretStr

from medialift.errors import Permanent, Transient

_LONGEST = 16_384
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Token:
    """A token, and the places that it may be sent to: (scheme, host, port) each.

    It is never shown: its text is a `SecretStr`.
    """

    text: SecretStr
    origins: frozenset[tuple[str, str, int]]

    def headers(self, url: httpx.URL) -> dict[str, str]:
        """The header that is sent to this address: none to any place but Audible's own."""
        if origin(url) not in self.origins:
            return {}
        return {"Authorization": f"Bearer {self.text.get_secret_value()}"}


def origin(url: httpx.URL) -> tuple[str, str, int]:
    """Scheme, host and port of an address."""
    return url.scheme, url.host, url.port or {"https": 443, "http": 80}.get(url.scheme, 0)


def read_token(file: Path, addresses: list[str]) -> Token:
    """The token of a file, to be sent to these addresses of Audible.

    Raises:
        Permanent: it is no file of one line, others may read it, it is somebody else's, or an address is not
            encrypted and not of this host.
        Transient: it cannot be read now.
    """
    try:
        # What is looked at is what is read: no other file can take its name in between.
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as opened:
            _check_owner(file, os.fstat(handle))
            raw = opened.read(_LONGEST + 1)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise Permanent(
            f"The file of the token cannot be read ({error.strerror})",
            str(file),
            "Correct audiobooks.tagging.token_file, or take it out: the catalogue needs no token",
        ) from error
    except OSError as error:
        raise Transient(f"The file of the token cannot be read ({error.strerror})", str(file)) from error
    origins = frozenset(origin(httpx.URL(one)) for one in addresses)
    for scheme, host, _ in origins:
        if scheme != "https" and host not in _LOOPBACK:
            raise Permanent(
                "A token is not sent without encryption",
                host,
                "Let audiobooks.tagging.audible_url start with https://, or take token_file out",
            )
    return Token(SecretStr(_one_line(file, raw)), origins)


def _check_owner(file: Path, facts: os.stat_result) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise Permanent("The token is to be in a file", str(file), "Name a file of one line")
    if facts.st_mode & 0o077:
        raise Permanent(
            f"Others may read the file of the token (mode {stat.S_IMODE(facts.st_mode):04o})",
            str(file),
            f"chmod 0600 {file}, and get a new token if others could have read it",
        )
    if facts.st_uid not in (os.geteuid(), 0):
        raise Permanent(
            "The file of the token belongs to another user", str(file), f"chown it to user {os.geteuid()}"
        )


def _one_line(file: Path, raw: bytes) -> str:
    text = raw.strip()
    if not text or len(raw) > _LONGEST or not all(33 <= byte < 127 for byte in text):
        raise Permanent(
            "The file of the token does not hold one word of printable characters",
            str(file),
            "Write the token into it, on one line, and nothing else",
        )
    return text.decode("ascii")

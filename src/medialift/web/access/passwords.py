"""Passwords: which are taken, how they are kept (argon2id), and whether one is right."""

from __future__ import annotations

import unicodedata
from functools import cache
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from medialift.errors import Permanent

SHORTEST = 10
LONGEST = 1024
_FEWEST_DIFFERENT = 4
_hasher = PasswordHasher()
# Each hashing takes 64 MiB: a crowd of logins must not take all memory of the host.
_AT_ONCE = BoundedSemaphore(2)


def check(password: str, name: str) -> None:
    """Refuse a password that is guessed easily.

    Raises:
        Permanent: it is too short, too long, too simple, or holds the name.
    """
    plain = password.casefold()
    if len(password) < SHORTEST:
        wrong = f"it has fewer than {SHORTEST} characters"
    elif len(password) > LONGEST:
        wrong = f"it has more than {LONGEST} characters"
    elif len(set(plain)) < _FEWEST_DIFFERENT:
        wrong = "it repeats the same few characters"
    elif plain.replace(name.casefold(), "").strip("0123456789!?. _-") == "":
        wrong = "it is little more than the name"
    else:
        return
    raise Permanent("The password is too weak", wrong, "Several words in a row make a good one")


def hashed(password: str) -> str:
    """What is kept of a password."""
    with _AT_ONCE:
        return _hasher.hash(_same(password))


def right(password: str, kept: str | None) -> bool:
    """Whether it is the password. For somebody who is not there (None) it takes as long to say no."""
    if len(password) > LONGEST:
        return False
    with _AT_ONCE:
        try:
            return _hasher.verify(kept or _nobodys(), _same(password)) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


def outdated(kept: str) -> bool:
    """Whether it was hashed with less effort than is usual now."""
    return _hasher.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _hasher.hash("nobody")


def _same(password: str) -> str:
    # One keyboard writes é as one character, another as two.
    return unicodedata.normalize("NFC", password)

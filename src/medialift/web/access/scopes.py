"""What somebody may do: read, act (which includes reading), admin (which includes both)."""

from __future__ import annotations

from typing import Literal, get_args

from medialift.errors import Permanent

Scope = Literal["read", "act", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


def allows(scope: Scope, needed: Scope) -> bool:
    """Whether `scope` includes `needed`."""
    return SCOPES.index(scope) >= SCOPES.index(needed)


def lesser(one: Scope, other: Scope) -> Scope:
    """The scope that both include."""
    return min(one, other, key=SCOPES.index)


def scope_of(word: str) -> Scope:
    """A scope by its word.

    Raises:
        Permanent: there is no such scope.
    """
    if word not in SCOPES:
        raise Permanent("There is no such scope", word, f"There are: {', '.join(SCOPES)}")
    return word

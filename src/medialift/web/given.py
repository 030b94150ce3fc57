"""What a request may give: bounded, and nothing that the ledger cannot hold."""

from __future__ import annotations

from typing import Annotated
from unicodedata import category

from fastapi import Path, Query
from pydantic import AfterValidator, StringConstraints

_LARGEST = 2**63 - 1


def _storable(value: str) -> str:
    # Joiners and marks of direction belong to names; controls and halves of pairs to none.
    if any(category(sign) in ("Cc", "Cs") and sign not in "\n\t" for sign in value):
        raise ValueError("Leave out control characters")
    return value


Word = Annotated[str, StringConstraints(max_length=500), AfterValidator(_storable)]
"""A name or a search: at most 500 letters, no control characters."""

Name = Annotated[Word, StringConstraints(min_length=1)]
"""A name that must be there."""

Prose = Annotated[str, StringConstraints(max_length=5000), AfterValidator(_storable)]
"""A text in sentences: at most 5,000 letters."""

Id = Annotated[int, Path(ge=1, le=_LARGEST)]
"""The id of a row, as part of a path."""

Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.")]
"""How many of a list; give it a default of 50."""

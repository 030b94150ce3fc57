"""What cannot be undone is done only when it is confirmed: with the word that the refusal names."""

from __future__ import annotations

from medialift.web.problems import Problem


def confirmed(given: str | None, word: str, what: str) -> None:
    """Go on if the word was given.

    Args:
        given: what came as `confirm`.
        word: what it must be: short, and named after what is lost ("reprocess", a person's name).
        what: what would happen, a sentence without a final dot.

    Raises:
        Problem: 428, it was not given.
    """
    if given != word:
        raise Problem(428, what, "", f"Confirm it with confirm={word}")

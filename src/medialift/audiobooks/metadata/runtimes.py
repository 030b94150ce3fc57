"""Whether two lengths are those of one recording: an abridged edition is not the one bought whole."""

from __future__ import annotations

from medialift.foundation.units import format_duration

# A catalogue rounds to minutes, and its edition has an intro and an outro that a ripped one may lack.
_ROUNDING_SECONDS = 60.0
_AGREES = 0.01
_DIFFERS = 0.08
_ABRIDGED = 0.8


def tolerance(seconds: float) -> float:
    """Seconds by which two lengths may differ and are still one, of a book of so many."""
    return _ROUNDING_SECONDS + _AGREES * seconds


def runtime_likeness(seconds: float, minutes: int) -> float:
    """1 within the tolerance (a minute and 1 %), 0 from a minute and 8 % on, a straight line between."""
    catalogue = minutes * 60.0
    longer = max(seconds, catalogue)
    off = abs(seconds - catalogue)
    agrees, differs = tolerance(longer), _ROUNDING_SECONDS + _DIFFERS * longer
    if off <= agrees:
        return 1.0
    return 0.0 if off >= differs else (differs - off) / (differs - agrees)


def runtime_words(seconds: float, minutes: int) -> str:
    """The two lengths for a person, and what their difference may mean."""
    catalogue = minutes * 60.0
    told = f"{format_duration(round(seconds))} against {format_duration(catalogue)} in the catalogue"
    shorter, longer = sorted((seconds, catalogue))
    if runtime_likeness(seconds, minutes) == 0.0 and shorter < _ABRIDGED * longer:
        which = "the book" if seconds < catalogue else "that edition"
        return f"{told}: {which} may be abridged or in parts"
    return told

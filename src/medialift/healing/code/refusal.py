"""An edit that is not taken, and why."""

from __future__ import annotations

from medialift.errors import Unsafe


class Refused(Unsafe):
    """The edit is refused; what runs is as it was."""

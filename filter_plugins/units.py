"""Sizes and durations in templates: `"20 GB" | medialift_bytes`, `"4h" | medialift_seconds`, and back."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

# Filters run on the controller. ansible-pull and execution environments have the checkout, but no installed
# package; where it is installed, that one comes first on the path.
sys.path.append(str(Path(__file__).resolve().parent.parent / "src"))

from medialift.errors import MedialiftError
from medialift.foundation import units


def _told(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def filtered(value: Any) -> Any:
        try:
            return function(value)
        except MedialiftError as error:
            raise AnsibleFilterError(str(error)) from error

    return filtered


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "medialift_bytes": _told(units.parse_size),
            "medialift_size": lambda count: units.format_size(float(count)),
            "medialift_seconds": _told(units.parse_duration),
            "medialift_duration": lambda seconds: units.format_duration(float(seconds)),
        }

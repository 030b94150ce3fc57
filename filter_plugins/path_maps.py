"""Path maps in templates: checked, turned round, applied to one path."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

# See filter_plugins/units.py.
sys.path.append(str(Path(__file__).resolve().parent.parent / "src"))

from medialift.errors import MedialiftError
from medialift.plex.paths import PathMap


def path_map(mappings: dict[str, str]) -> dict[str, str]:
    """The map as it was given, once it has been checked: a bad one is an error before any host is touched."""
    return _checked(mappings).to_dict()


def inverse(mappings: dict[str, str]) -> dict[str, str]:
    """The way back: `{"/cloud/media": "/library/media"}` for `{"/library/media": "/cloud/media"}`."""
    return _checked(mappings).inverse().to_dict()


def mapped(path: str, mappings: dict[str, str]) -> str:
    """A path on the other side; the path itself when no line of the map covers it."""
    return _checked(mappings).map(str(path))


def _checked(mappings: dict[str, str]) -> PathMap:
    try:
        # Ansible's own text types are subclasses of str that json and yaml readers downstream do not expect.
        return PathMap.of({str(old): str(new) for old, new in mappings.items()})
    except MedialiftError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "medialift_path_map": path_map,
            "medialift_inverse_path_map": inverse,
            "medialift_mapped_path": mapped,
        }

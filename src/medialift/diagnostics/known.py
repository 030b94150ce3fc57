"""The secrets of this host by their values, so that they are masked wherever they turn up."""

from __future__ import annotations

import re
from collections.abc import Sequence

from medialift import settings
from medialift.diagnostics import files
from medialift.settings import Loaded

RCLONE_SETTINGS = "/etc/rclone/*.conf"

# Names of rclone's settings and of ours whose value is a secret; what is quoted, and what is not (rclone).
_SECRET = re.compile(
    r"(?im)^[ \t]*\w*(?:key|key_id|secret|token|pass|password2?|urls)[ \t]*=[ \t]*(.+?)[ \t]*$"
)
_QUOTED = re.compile(r"\"((?:[^\"\\]|\\.)+)\"|'([^']+)'")
_PLEX = re.compile(r'\bPlexOnlineToken="([^"]+)"')


def secrets(file: str, loaded: Loaded | None, preferences: str = "", *, patience: float = 10.0) -> list[str]:
    """The values of this host's secrets. They are never to be shown.

    Args:
        file: the settings file: also one that is not valid names its secrets.
        loaded: the settings, when they could be read.
        preferences: path of Plex's Preferences.xml, which holds the server's token.
        patience: seconds without an answer after which a file is given up.
    """
    found = settings.secrets(loaded.settings) if loaded is not None else []
    for text in _read([file, RCLONE_SETTINGS], patience):
        for match in _SECRET.finditer(text):
            quoted = [one or other for one, other in _QUOTED.findall(match[1])]
            found += quoted or [match[1]]
    for text in _read([preferences] if preferences else [], patience):
        found += _PLEX.findall(text)
    return sorted(set(found))


def _read(patterns: Sequence[str], patience: float) -> list[str]:
    found = files.newest(patterns, kept=1 << 20, patience=patience)
    return [part.content for part in found if not part.missing]

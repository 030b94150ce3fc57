"""The environment variables of auto-m4b, its forks and their roadmap: each still means what it meant.

An installation that is moved here keeps its `.env`. The old names count for `medialift audiobooks` alone:
names such as BACKUP and DEBUG mean other things to others. A MEDIALIFT_AUDIOBOOKS__… variable wins over them,
and they over the settings file. Sources: auto-m4b's and seanap's README, and the roadmap of the fork.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass

from medialift.errors import Permanent
from medialift.foundation.units import parse_duration
from medialift.settings import ENVIRONMENT_PREFIX

_YES, _NO = ("y", "yes", "true", "1", "on"), ("n", "no", "false", "0", "off")
_ENDINGS = {"test_do_nothing": "keep"}


@dataclass(frozen=True)
class Old:
    """One old variable: its name, the setting that it is now ("" when it has no effect), and what to know."""

    name: str
    setting: str
    read: Callable[[str], str]
    note: str = ""

    @property
    def variable(self) -> str:
        """The variable of the setting, MEDIALIFT_AUDIOBOOKS__…"""
        return ENVIRONMENT_PREFIX + "__".join(part.upper() for part in self.setting.split("."))


@dataclass(frozen=True)
class Translated:
    """What the old variables of an environment come to.

    Attributes:
        values: {new variable: value}, without those whose new variable is set itself.
        origins: {new variable: old name} of the values.
        ignored: (old name, why) of those that are set and have no effect.
        faults: (old name, what is wrong, what to do) of those that cannot be read.
    """

    values: Mapping[str, str]
    origins: Mapping[str, str]
    ignored: tuple[tuple[str, str], ...]
    faults: tuple[tuple[str, str, str], ...]


def _text(value: str) -> str:
    return value


def _path(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("a path must be absolute: it starts with /")
    return value


def _switch(value: str) -> str:
    small = value.lower()
    if small not in _YES + _NO:
        raise ValueError("it is Y or N")
    return json.dumps(small in _YES)


def _cores(value: str) -> str:
    if value.lower() == "all":
        return "0"
    if not value.isdigit() or int(value) < 1:
        raise ValueError("it is a number of cores, or all")
    return value


def _count(value: str) -> str:
    if not value.isdigit():
        raise ValueError("it is a whole number, 0 or more")
    return value


def _seconds(value: str) -> str:
    try:
        return f"{parse_duration(value):g}"
    except Permanent:
        raise ValueError("it is a number of seconds, or a time such as 1m") from None


def _pause(value: str) -> str:
    """A time between two looks: the old programs took 0 for "at once"."""
    return "1" if float(_seconds(value)) == 0 else _seconds(value)


def _completion(value: str) -> str:
    known = ("archive", "delete", *_ENDINGS)
    if value.lower() not in known:
        raise ValueError(f"it is one of {', '.join(known)}")
    return _ENDINGS.get(value.lower(), value.lower())


def _endings(value: str) -> str:
    names = [one.strip().lower() for one in value.split(",") if one.strip()]
    return json.dumps([name if name.startswith(".") else f".{name}" for name in names])


def _debug(value: str) -> str:
    return "debug" if json.loads(_switch(value)) else "warning"


def _minutes(which: int) -> Callable[[str], str]:
    """One of the two minutes of MAX_CHAPTER_LENGTH: "15,30" is wanted and longest, "30" is both."""

    def read(value: str) -> str:
        parts = [part.strip() for part in value.split(",")]
        try:
            numbers = [float(part) for part in parts]
        except ValueError:
            raise ValueError("it is minutes, wanted and longest, such as 15,30") from None
        if len(numbers) > 2 or min(numbers) <= 0:
            raise ValueError("it is minutes, wanted and longest, such as 15,30")
        return f"{60 * numbers[min(which, len(numbers) - 1)]:g}"

    return read


_HERE = "audiobooks."
_TAGGING = "audiobooks.tagging."
_OLD_API = "the API and its dashboard are not part of this service; /health is at health_host and health_port"
_CONTAINER = "read by the container's entrypoint when it starts; elsewhere the service runs as its own user"
_ALWAYS_OURS = "there is one engine, which joins and encodes by itself"

VARIABLES: tuple[Old, ...] = (
    Old("INBOX_FOLDER", _HERE + "inbox", _path),
    Old("CONVERTED_FOLDER", _HERE + "converted", _path),
    Old("ARCHIVE_FOLDER", _HERE + "archive", _path),
    Old("BACKUP_FOLDER", _HERE + "backup_folder", _path),
    Old("FAILED_FOLDER", _HERE + "failed", _path),
    Old("WORKING_FOLDER", _HERE + "work", _path, "build, merge and trash below it are gone"),
    Old("CPU_CORES", _HERE + "cores", _cores, "all is 0"),
    Old("SLEEP_TIME", _HERE + "rescan", _pause, "changes are seen at once; this is for NFS and SMB"),
    Old("WAIT_TIME", _HERE + "wait", _seconds),
    Old("ON_COMPLETE", _HERE + "on_complete", _completion, "test_do_nothing is keep"),
    Old("OVERWRITE_EXISTING", _HERE + "overwrite", _switch),
    Old("BACKUP", _HERE + "backup", _switch),
    Old("MATCH_FILTER", _HERE + "match", _text),
    Old("USE_FILENAMES_AS_CHAPTERS", _HERE + "filenames_as_chapters", _switch),
    Old("AUDIO_EXTS", _HERE + "audio_types", _endings),
    Old("FLATTEN_MULTI_DISC_BOOKS", _HERE + "multi_disc", _switch, "nothing is flattened: discs are joined"),
    Old("CONVERT_SERIES", _HERE + "series", _switch),
    Old("MAX_RETRIES", _HERE + "max_retries", _count),
    Old("RETRY_TRANSIENT_ERRORS", _HERE + "retry_transient", _switch),
    Old("RETRY_BASE_DELAY", _HERE + "retry_base", _pause),
    Old("MOVE_FAILED_BOOKS", _HERE + "move_failed", _switch),
    Old("MAX_CHAPTER_LENGTH", _HERE + "wanted_chapter", _minutes(0), "minutes, wanted and longest: 15,30"),
    Old("MAX_CHAPTER_LENGTH", _HERE + "longest_chapter", _minutes(1), "minutes, wanted and longest: 15,30"),
    Old("AUDIBLE_TOKEN_FILE", _TAGGING + "token_file", _path, "the catalogue needs none today"),
    Old("AUDIBLE_REGION", _TAGGING + "region", str.lower),
    Old("DEBUG", "runtime.log_level", _debug, "Y is debug"),
    # seanap's names.
    Old("INPUT_FOLDER", _HERE + "inbox", _path, "seanap's name"),
    Old("OUTPUT_FOLDER", _HERE + "converted", _path, "seanap's name"),
    Old("ORIGINAL_FOLDER", _HERE + "archive", _path, "seanap's name"),
    Old("FIXIT_FOLDER", _HERE + "failed", _path, "seanap's name"),
    Old("MAKE_BACKUP", _HERE + "backup", _switch, "seanap's name"),
    Old("SLEEPTIME", _HERE + "rescan", _pause, "seanap's name; 1m and the like"),
    # Without effect.
    Old("PUID", "", _text, _CONTAINER),
    Old("PGID", "", _text, _CONTAINER),
    Old("API_ENABLED", "", _text, _OLD_API),
    Old("API_HOST", "", _text, _OLD_API),
    Old("API_PORT", "", _text, _OLD_API),
    Old("USE_DOCKER", "", _text, "m4b-tool is not used"),
    Old("DOCKER_PATH", "", _text, "m4b-tool is not used"),
    Old("USE_NATIVE_CONVERTER", "", _text, _ALWAYS_OURS),
    Old("CRASH_PROTECTION", "", _text, "what a crash breaks off is begun again, always"),
    Old("OPEN_LIBRARY_USER_AGENT", "", _text, "Open Library is not asked"),
    Old("BIN_FOLDER", "", _text, "there is no bin: leftovers of work are removed"),
    Old("TEST", "", _text, "it served tests"),
    Old("NO_CATS", "", _text, "there are no cats"),
)
"""All of them, those of the fork first: where two name one setting, the first that is set wins."""


def translate(environment: Mapping[str, str]) -> Translated:
    """What the old variables in an environment come to; an empty one counts as not set."""
    values: dict[str, str] = {}
    origins: dict[str, str] = {}
    ignored: list[tuple[str, str]] = []
    faults: list[tuple[str, str, str]] = []
    for old in VARIABLES:
        given = environment.get(old.name, "").strip()
        if not given:
            continue
        if not old.setting:
            # PUID, TEST and API_PORT are set for many reasons: not worth a word unless somebody asks.
            ignored.append((old.name, old.note))
        elif environment.get(old.variable) or old.variable in values:
            ignored.append((old.name, f"{origins.get(old.variable, old.variable)} is set too, and wins"))
        else:
            try:
                values[old.variable] = old.read(given)
                origins[old.variable] = old.name
            except ValueError as wrong:
                # A token that was put where the path of its file belongs is not shown.
                shown = "its value" if "TOKEN" in old.name else repr(given)
                faults.append((old.name, f"{shown} cannot be used: {wrong}", f"Correct {old.name}"))
    return Translated(values, origins, tuple(ignored), tuple(dict.fromkeys(faults)))


def apply(environment: MutableMapping[str, str]) -> Translated:
    """Put what the old variables come to into the environment itself, where the settings read it.

    Raises:
        Permanent: some of them cannot be read; all are named.
    """
    found = translate(environment)
    if found.faults:
        raise Permanent(
            "A variable of the environment is wrong"
            if len(found.faults) == 1
            else f"{len(found.faults)} variables of the environment are wrong",
            "; ".join(f"{name}: {what}" for name, what, _ in found.faults),
            "; ".join(dict.fromkeys(fix for _, _, fix in found.faults)),
        )
    environment.update(found.values)
    return found


def names_of(setting: str) -> tuple[str, ...]:
    """The old names of a setting such as audiobooks.inbox."""
    return tuple(old.name for old in VARIABLES if old.setting == setting)

"""Units: sizes and durations as people write them, as bytes and seconds, and back.

Sizes are decimal unless they say otherwise, as disks, S3 and cloud prices are: 1 GB is 1,000,000,000 bytes
and 1 GiB is 1,073,741,824. Values from surveys and extra-vars arrive as strings, so numbers are taken as
strings too.
"""

from __future__ import annotations

import math
import re

from medialift.errors import Permanent

_SIZES: dict[str, int] = {
    "": 1,
    "b": 1,
    "byte": 1,
    "bytes": 1,
    **{f"{prefix}{tail}": 1000**power for power, prefix in enumerate("kmgtp", 1) for tail in ("", "b")},
    **{f"{prefix}{tail}": 1024**power for power, prefix in enumerate("kmgtp", 1) for tail in ("i", "ib")},
}
_SECONDS = {
    "": 1.0,
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604800.0),
}
_NUMBER = r"(\d+(?:\.\d+)?|\.\d+)"
_SIZE = re.compile(rf"{_NUMBER}\s*([a-z]*)", re.IGNORECASE)
_DURATION_PART = re.compile(rf"{_NUMBER}\s*([a-z]*)[\s,]*", re.IGNORECASE)


def parse_size(value: str | int | float) -> int:
    """Bytes of `"20 GB"`, `"512 MiB"`, `"1.5T"`, `"4096"` or `4096`.

    Raises:
        Permanent: it is no size, or it is negative.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if math.isfinite(value) and value >= 0:
            return int(value)
    elif isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        if match and match[2].lower() in _SIZES:
            return round(float(match[1]) * _SIZES[match[2].lower()])
    raise Permanent(
        "This is not a size", repr(value), "Write a number with a unit, such as '20 GB', '512 MiB' or '4096'"
    )


def format_size(count: int | float) -> str:
    """`5370000000` as `"5.37 GB"`: decimal units, three digits."""
    amount, sign = abs(float(count)), "-" if count < 0 else ""
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        # 999.9 of a unit would be printed as 1000 of it: the next unit says it shorter.
        if amount < 999.5 or unit == "PB":
            return (
                f"{sign}{amount:.0f} {unit}" if unit == "bytes" else f"{sign}{_three_digits(amount)} {unit}"
            )
        amount /= 1000
    raise AssertionError("the last unit takes everything")


def parse_duration(value: str | int | float) -> float:
    """Seconds of `"4h"`, `"1h30m"`, `"2 days"`, `"90"` or `90`.

    Raises:
        Permanent: it is no duration, or it is negative.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if math.isfinite(value) and value >= 0:
            return float(value)
    elif isinstance(value, str) and value.strip():
        seconds = _sum_of_parts(value.strip())
        if seconds is not None:
            return seconds
    raise Permanent(
        "This is not a duration", repr(value), "Write numbers with units, such as '90s', '1h30m' or '3 days'"
    )


def format_duration(seconds: float) -> str:
    """`5445.2` as `"1 h 31 min"`, `75` as `"1 min 15 s"`, `0.25` as `"250 ms"`: the two largest units."""
    sign = "-" if seconds < 0 else ""
    seconds = abs(seconds)
    if seconds == 0:
        return "0 s"
    if seconds < 0.9995:
        return f"{sign}{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{sign}{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    first = next(index for index, (amount, _) in enumerate(parts) if amount)
    return sign + " ".join(f"{amount} {unit}" for amount, unit in parts[first : first + 2] if amount)


def _three_digits(amount: float) -> str:
    decimals = 2 if amount < 9.995 else 1 if amount < 99.95 else 0
    text = f"{amount:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _sum_of_parts(text: str) -> float | None:
    """The sum of `1h 30m`; None when a part is unknown, or a bare number stands beside others."""
    total, position, parts = 0.0, 0, 0
    while position < len(text):
        match = _DURATION_PART.match(text, position)
        if match is None or match[2].lower() not in _SECONDS:
            return None
        bare = not match[2]
        parts += 1
        position = match.end()
        if bare and (parts > 1 or position < len(text)):
            return None
        total += float(match[1]) * _SECONDS[match[2].lower()]
    return total

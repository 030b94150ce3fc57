"""Values that fit their settings, and cannot be used all the same: patterns, templates, rates, names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from medialift.audiobooks.delivery.naming import faults as template_faults
from medialift.audiobooks.validating.fault import Fault, destination
from medialift.notify import Event as Told
from medialift.settings import Settings

# Of AAC (ISO/IEC 14496-3, samplingFrequencyIndex), as far as the settings go.
_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_LOWEST_BITRATE = 8


def values(settings: Settings) -> Iterator[Fault]:
    """What is wrong with them."""
    audiobooks = settings.audiobooks
    try:
        re.compile(audiobooks.match)
    except re.error as error:
        yield Fault(
            "audiobooks.match",
            f"{audiobooks.match!r} is no regular expression: {error}",
            "Correct it; a dot, bracket or star that is meant as such needs a backslash in front",
        )
    for name, template in (
        ("audiobooks.naming", audiobooks.naming),
        *(
            (f"{destination(name)}.naming", one.naming)
            for name, one in audiobooks.destinations.items()
            if one.naming
        ),
    ):
        if wrong := template_faults(template):
            yield Fault(name, f"{template!r} cannot be used: {'; '.join(wrong)}", "Correct the template")
    if wrong := [one for one in audiobooks.audio_types if not one.startswith(".")]:
        yield Fault(
            "audiobooks.audio_types", f"{', '.join(wrong)}: an ending starts with a dot", "Put it in front"
        )
    if not audiobooks.audio_types:
        yield Fault(
            "audiobooks.audio_types", "there is no ending, so no book is found", "Name some, such as .mp3"
        )
    if audiobooks.sample_rate and audiobooks.sample_rate not in _RATES:
        yield Fault(
            "audiobooks.sample_rate",
            f"AAC has no rate of {audiobooks.sample_rate} Hz",
            f"Use one of {', '.join(map(str, _RATES))}, or 0",
        )
    if 0 < audiobooks.bitrate < _LOWEST_BITRATE:
        yield Fault(
            "audiobooks.bitrate",
            f"{audiobooks.bitrate} kbit/s is no speech any more",
            "It is in kbit/s: use 64, or 0",
        )
    if 0 < audiobooks.longest_chapter < audiobooks.wanted_chapter:
        yield Fault(
            "audiobooks.wanted_chapter",
            "the pieces of a chapter that is split would be longer than longest_chapter",
            "Make it shorter than longest_chapter",
        )
    cores = os.cpu_count() or 1
    if audiobooks.cores > cores:
        yield Fault(
            "audiobooks.cores", f"this machine has {cores} cores", f"Use {cores} at most, or 0", "warning"
        )
    known = {event.value for event in Told}
    for scheme, events in settings.notify.events_of.items():
        if unknown := [event for event in events if event not in known]:
            yield Fault(
                f"notify.events_of.{scheme}",
                f"there is no event {', '.join(unknown)}",
                f"There are: {', '.join(sorted(known))}",
            )

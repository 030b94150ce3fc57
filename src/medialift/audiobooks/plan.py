"""What becomes of a book's audio: taken as it is, joined frame by frame, or encoded anew.

Headers alone decide; nothing is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from medialift.audiobooks import adts
from medialift.audiobooks.source import Source
from medialift.errors import Permanent
from medialift.settings import AudiobooksSettings

Kind = Literal["pass_through", "splice", "encode"]

NATIVE, FRAUNHOFER = "aac", "libfdk_aac"
_LARGEST_RATE = 48_000
_PER_CHANNEL = 64_000
"""bit/s: AAC-LC speaks and plays well at it; more only makes the file larger."""
_LEAST_PER_CHANNEL = 32_000
_STEPS = (32, 40, 48, 56, 64, 80, 96, 112, 128)
"""kbit/s that are usual."""
_THRIFTY = ("opus", "vorbis")
"""Codecs that say the same with about half the bits."""
_MOST_PER_CHANNEL_AND_SAMPLE = 6
"""bit: AAC can write no more than 6144 per channel and frame of 1024 samples (ISO 14496-3, 4.5.3.2)."""


@dataclass(frozen=True)
class Plan:
    """How a book is converted.

    Attributes:
        codec: the encoder when it is encoded; the codec of the parts when not.
        bitrate: bit/s of the whole. rate: Hz. channels: 1 or 2.
        why: for people, a sentence without a final dot.
    """

    kind: Kind
    codec: str
    bitrate: int
    rate: int
    channels: int
    why: str


def decide(
    sources: Sequence[Source],
    settings: AudiobooksSettings,
    *,
    encoders: frozenset[str],
    as_it_is: bool = False,
) -> Plan:
    """Choose over all parts.

    A single AAC part in an M4B is passed through, AAC parts of one coding (LC, same rate and channels) are
    joined, all else is encoded. `convert: always`, and a rate or channels in the settings that are not the
    parts' own, have everything encoded.

    Args:
        as_it_is: nothing is encoded, whatever the settings say.

    Raises:
        Permanent: there is no part, or the encoder that the settings ask for is not there; it would have to
            be encoded and must not be.
    """
    if not sources:
        raise Permanent("A book has no audio files", "")
    if as_it_is:
        settings = settings.model_copy(update={"convert": "if_needed", "sample_rate": 0, "channels": 0})
    first = sources[0]
    wanted = _encoding(sources, settings, encoders)
    as_is = (first.bitrate, first.rate, first.channels)
    if settings.convert == "if_needed" and _suits(sources, settings):
        if len(sources) == 1 and first.path.suffix.lower() == ".m4b" and "mp4" in first.container:
            return Plan("pass_through", first.codec, *as_is, "It is one M4B already")
        if all(_splices(source) for source in sources):
            mean = sum(source.bitrate for source in sources) // len(sources)
            return Plan("splice", "aac", mean or first.bitrate, *as_is[1:], "All parts are AAC of one coding")
    if as_it_is:
        raise Permanent(
            f"It cannot be taken without conversion: {wanted.why[:1].lower()}{wanted.why[1:]}",
            str(first.path.parent),
            "Take it up again: then it is converted",
        )
    return wanted


def encoding(sources: Sequence[Source], plan: Plan, *, encoder: str = NATIVE) -> Plan:
    """The plan for parts whose frames turn out not to fit each other, whatever their headers say."""
    return Plan(
        "encode",
        encoder,
        _bitrate(sources, 0, plan.rate, plan.channels),
        plan.rate,
        plan.channels,
        "The frames of its parts do not fit each other",
    )


def _encoding(sources: Sequence[Source], settings: AudiobooksSettings, encoders: frozenset[str]) -> Plan:
    codec: str = settings.encoder
    if codec == "auto":
        codec = FRAUNHOFER if FRAUNHOFER in encoders else NATIVE
    if codec not in encoders:
        raise Permanent(
            f"This ffmpeg has no encoder {codec}",
            "audiobooks.encoder",
            "Set it to auto, or install such an ffmpeg",
        )
    channels: int = settings.channels or min(2, max(source.channels for source in sources))
    rate = _rate(settings.sample_rate or max(source.rate for source in sources), bool(settings.sample_rate))
    bitrate = _bitrate(sources, settings.bitrate * 1000, rate, channels)
    why = "Its parts are " + ", ".join(sorted({source.codec for source in sources}))
    return Plan("encode", codec, bitrate, rate, channels, why)


def _suits(sources: Sequence[Source], settings: AudiobooksSettings) -> bool:
    """Whether all parts are AAC of one rate and as many channels, and the settings ask for no others."""
    codings = {(source.codec, source.profile, source.rate, source.channels) for source in sources}
    if len(codings) > 1 or sources[0].codec != "aac":
        return False
    asked = (settings.sample_rate or sources[0].rate, settings.channels or sources[0].channels)
    return asked == (sources[0].rate, sources[0].channels)


def _splices(source: Source) -> bool:
    container = "mp4" in source.container or source.container == "aac"
    return container and source.profile == "LC" and source.rate in adts.RATES and source.channels <= 2


def _rate(wanted: int, asked: bool) -> int:
    """The nearest rate of AAC that loses nothing; 48000 at most (44100 of its multiples) unless asked for."""
    if not asked and wanted > _LARGEST_RATE:
        wanted = 44_100 if wanted % 44_100 == 0 else _LARGEST_RATE
    return min((rate for rate in adts.RATES if rate >= wanted), default=_LARGEST_RATE)


def _bitrate(sources: Sequence[Source], asked: int, rate: int, channels: int) -> int:
    """bit/s: the settings', or the highest of the parts within what is good for speech; what AAC can do."""
    bitrate = asked
    if not asked:
        most = max(_heard_as(source) for source in sources)
        usual = [1000 * step for step in _STEPS if 1000 * step >= most]
        bitrate = min(usual[0] if usual else most, _PER_CHANNEL * channels)
        bitrate = max(bitrate, _LEAST_PER_CHANNEL * channels)
    return min(bitrate, _MOST_PER_CHANNEL_AND_SAMPLE * rate * channels)


def _heard_as(source: Source) -> int:
    """What AAC-LC needs to say what a part says, in bit/s; one that does not tell its own may be anything."""
    if not source.bitrate:
        return 2 * _PER_CHANNEL
    thrifty = source.codec in _THRIFTY or source.profile.startswith("HE")
    return source.bitrate * (2 if thrifty else 1)

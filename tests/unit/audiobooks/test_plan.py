"""What becomes of a book's audio, decided from the headers of its parts."""

from dataclasses import replace
from pathlib import Path

import pytest

from medialift.audiobooks.plan import Plan, decide
from medialift.audiobooks.source import Source
from medialift.errors import Permanent
from medialift.settings import AudiobooksSettings

PLAIN = AudiobooksSettings()
NATIVE = frozenset({"aac", "flac"})
MP3 = Source(Path("/in/1.mp3"), "mp3", "mp3", "", 44_100, 1, 64_000, 60.0)
M4A = Source(Path("/in/1.m4a"), "mov,mp4,m4a,3gp,3g2,mj2", "aac", "LC", 44_100, 2, 96_000, 60.0)


def planned(*sources: Source, settings: AudiobooksSettings = PLAIN) -> Plan:
    return decide(sources, settings, encoders=NATIVE)


def test_the_highest_rate_and_the_most_channels_and_bits_of_all_parts_are_taken() -> None:
    better = replace(MP3, rate=48_000, channels=2, bitrate=112_000)
    plan = planned(MP3, better, MP3)
    assert (plan.kind, plan.codec) == ("encode", "aac")
    assert (plan.rate, plan.channels, plan.bitrate) == (48_000, 2, 112_000)


@pytest.mark.parametrize(
    ("bitrate", "channels", "expected"),
    [(64_000, 1, 64_000), (320_000, 1, 64_000), (320_000, 2, 128_000), (57_300, 1, 64_000), (0, 2, 128_000)],
)
def test_a_bitrate_is_a_usual_one_and_at_most_64_per_channel(
    bitrate: int, channels: int, expected: int
) -> None:
    assert planned(replace(MP3, bitrate=bitrate, channels=channels)).bitrate == expected


def test_a_codec_that_needs_few_bits_gets_more_of_them_in_aac() -> None:
    opus = replace(MP3, codec="opus", container="ogg", rate=48_000, bitrate=24_000)
    assert planned(opus).bitrate == 48_000


def test_what_aac_cannot_code_is_not_asked_of_it() -> None:
    assert planned(replace(MP3, rate=8_000), settings=AudiobooksSettings(bitrate=256)).bitrate == 48_000


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (44_100, 44_100),
        (96_000, 48_000),
        (88_200, 44_100),
        (192_000, 48_000),
        (11_000, 11_025),
        (37_800, 44_100),
    ],
)
def test_a_rate_is_one_that_aac_has_and_48000_at_most(rate: int, expected: int) -> None:
    assert planned(replace(MP3, codec="flac", container="flac", rate=rate)).rate == expected


def test_six_channels_become_two() -> None:
    assert planned(replace(M4A, channels=6)).channels == 2


def test_settings_win_over_the_parts() -> None:
    plan = planned(MP3, settings=AudiobooksSettings(bitrate=40, sample_rate=22_050, channels=2))
    assert (plan.bitrate, plan.rate, plan.channels) == (40_000, 22_050, 2)


def test_parts_of_one_aac_coding_are_joined() -> None:
    plan = planned(M4A, M4A)
    assert (plan.kind, plan.codec, plan.rate, plan.channels) == ("splice", "aac", 44_100, 2)


@pytest.mark.parametrize(
    "other",
    [
        replace(M4A, profile="HE-AAC"),
        replace(M4A, rate=48_000),
        replace(M4A, channels=1),
        replace(M4A, codec="alac", profile=""),
        MP3,
    ],
)
def test_parts_that_are_not_all_of_one_coding_are_encoded(other: Source) -> None:
    assert planned(M4A, other).kind == "encode"


def test_parts_of_he_aac_alone_are_encoded_too() -> None:
    assert planned(*[replace(M4A, profile="HE-AAC")] * 2).kind == "encode"


def test_a_single_m4b_passes_through_whatever_kind_of_aac_it_is() -> None:
    book = replace(M4A, path=Path("/in/Book.M4B"))
    assert planned(book).kind == "pass_through"
    assert planned(replace(book, profile="HE-AAC")).kind == "pass_through"


def test_a_single_m4a_becomes_an_m4b_without_being_encoded() -> None:
    assert planned(M4A).kind == "splice"


def test_an_mp3_that_calls_itself_m4b_is_encoded() -> None:
    assert planned(replace(MP3, path=Path("/in/Book.m4b"))).kind == "encode"


def test_all_is_encoded_when_that_is_asked_for_or_another_rate_or_channels_are() -> None:
    for settings in (
        AudiobooksSettings(convert="always"),
        AudiobooksSettings(sample_rate=22_050),
        AudiobooksSettings(channels=1),
    ):
        assert planned(M4A, M4A, settings=settings).kind == "encode"
    same = AudiobooksSettings(sample_rate=44_100, channels=2)
    assert planned(M4A, M4A, settings=same).kind == "splice"


def test_the_encoder_of_fraunhofer_is_taken_where_there_is_one_and_can_be_asked_for() -> None:
    both = NATIVE | {"libfdk_aac"}
    assert decide([MP3], PLAIN, encoders=both).codec == "libfdk_aac"
    assert decide([MP3], AudiobooksSettings(encoder="aac"), encoders=both).codec == "aac"
    with pytest.raises(Permanent, match="no encoder libfdk_aac"):
        decide([MP3], AudiobooksSettings(encoder="libfdk_aac"), encoders=NATIVE)


def test_a_book_without_parts_is_refused() -> None:
    with pytest.raises(Permanent):
        planned()

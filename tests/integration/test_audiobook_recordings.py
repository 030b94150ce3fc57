"""The spoken books that everything about audiobooks is tried on."""

from pathlib import Path

import pytest

from sandbox.audiobooks import recordings

TEXT = "The lighthouse keeper wrote every ship into his ledger."


@pytest.mark.parametrize("codec", ["flac", "wav", "alac", "mp3", "m4a", "m4b"])
def test_a_recording_that_can_be_gapless_decodes_to_what_was_spoken_to_the_sample(
    codec, tmp_path: Path
) -> None:
    made = recordings.speak(TEXT, tmp_path / "book", codec=codec, seconds=2.5)
    said = recordings.spoken(TEXT, seconds=2.5)
    heard = recordings.pcm(made.path)
    assert made.samples == len(said) == 110_250
    assert abs(len(heard) - made.samples) <= (1024 if codec in ("m4a", "m4b") else 0)
    assert recordings.lag(heard, 0, said) == 0


@pytest.mark.parametrize("codec", ["aac", "ogg", "opus", "wma"])
def test_every_other_kind_says_the_same_words(codec, tmp_path: Path) -> None:
    made = recordings.speak(TEXT, tmp_path / "book", codec=codec, seconds=2.5)
    said = recordings.spoken(TEXT, rate=made.rate, seconds=2.5)
    assert abs(recordings.lag(recordings.pcm(made.path), 0, said, within=2500)) < 0.06 * made.rate


def test_a_moved_part_is_seen_by_the_sample(tmp_path: Path) -> None:
    said = recordings.spoken(TEXT, seconds=3)
    assert recordings.lag(said[441:], 44_100, said[44_100:]) == -441
    with pytest.raises(ValueError, match="sounds like"):
        recordings.lag(recordings.spoken("Nothing of that kind was said", seconds=3), 44_100, said[44_100:])

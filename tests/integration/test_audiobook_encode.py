"""Spoken parts become one M4B whose every part begins, and which ends, at the sample where it should."""

import math
import os
import signal
import subprocess
import sys
import wave
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from threading import Event, Timer
from typing import Any

import pytest

from medialift.audiobooks import encode, mp4_read, plan, probe, programs
from medialift.audiobooks.encode import Converted
from medialift.audiobooks.foreseen import foreseen
from medialift.audiobooks.programs import Programs
from medialift.audiobooks.source import Source
from medialift.errors import Permanent, Transient
from medialift.foundation.waiting import wait_until
from medialift.settings import AudiobooksSettings
from sandbox.audiobooks import broken
from sandbox.audiobooks.recordings import Recording, lag, pcm, speak, spoken

FFMPEG = programs.found()
NATIVE = frozenset({"aac"})
TEXT = "The keeper wrote in his ledger that the harbour lay still, and that no ship had passed."
RATE = 44_100


def book(folder: Path, *codecs: str, rate: int = RATE, seconds: float = 3.1) -> list[Recording]:
    """Parts of these codecs, each a little longer than the one before, so that none ends with a frame."""
    return [
        speak(
            f"Chapter {number}. {TEXT}",
            folder / f"{number}.{'m4a' if codec == 'alac' else codec}",
            codec=codec,
            rate=rate,
            seconds=seconds + 0.137 * number,
        )
        for number, codec in enumerate(codecs)
    ]


def sources_of(parts: Sequence[Recording | Path]) -> list[Source]:
    return probe.probe_all([part if isinstance(part, Path) else part.path for part in parts], FFMPEG)


def encoded(
    folder: Path,
    sources: Sequence[Source],
    *,
    cores: int = 1,
    settings: AudiobooksSettings | None = None,
    using: Programs = FFMPEG,
    stop: Event | None = None,
    timeout: float = 60.0,
    tell: Callable[[float], object] | None = None,
) -> Converted:
    return encode.convert(
        sources,
        plan.decide(sources, settings or AudiobooksSettings(), encoders=NATIVE),
        folder / "book.m4b",
        work=folder / "work",
        cores=cores,
        programs=using,
        stop=stop or Event(),
        timeout=timeout,
        tell=tell,
    )


def converted(folder: Path, parts: Sequence[Recording | Path], **how: Any) -> Converted:
    return encoded(folder, sources_of(parts), **how)


def late(done: Converted, parts: Sequence[Recording]) -> list[int]:
    """By how many samples each part begins later in the book than the numbers of samples say."""
    whole = pcm(done.path)
    begins = [0, *accumulate(done.samples)]
    return [
        lag(whole, begin, spoken(part.text, rate=done.rate, seconds=part.seconds), within=200)
        for part, begin in zip(parts, begins, strict=False)
    ]


def test_parts_of_every_lossy_and_lossless_kind_begin_where_they_should_and_nothing_is_added(
    tmp_path: Path,
) -> None:
    parts = book(tmp_path, "mp3", "flac", "ogg", "wav", "m4a", "alac", "m4b")
    done = converted(tmp_path, parts)
    assert done.kind == "encode"
    assert done.samples == tuple(part.samples for part in parts)
    assert late(done, parts) == [0] * len(parts)
    # To the sample also for a player that knows no edit list's end.
    assert len(pcm(done.path)) == done.total == mp4_read.read(done.path).samples
    assert not list((tmp_path / "work").iterdir())


def test_parts_of_other_rates_are_counted_as_they_are_resampled(tmp_path: Path) -> None:
    slow, fast = book(tmp_path / "slow", "mp3", "flac", rate=22_050), book(tmp_path / "fast", "opus", "mp3")
    parts = [slow[0], fast[0], slow[1], fast[1]]
    done = converted(tmp_path, parts, cores=2)
    assert done.rate == 48_000
    assert max(map(abs, late(done, parts))) <= 2
    for samples, part in zip(done.samples, parts, strict=True):
        assert abs(samples / done.rate - part.seconds) < 0.001
    assert len(pcm(done.path)) == done.total


def test_wma_of_which_ffmpeg_does_not_give_the_end_is_counted_as_it_is_decoded(tmp_path: Path) -> None:
    parts = book(tmp_path, "wma", "mp3")
    done = converted(tmp_path, parts)
    assert done.samples == (len(pcm(parts[0].path)), parts[1].samples)
    assert lag(pcm(done.path), done.samples[0], pcm(parts[1].path)) == 0


def test_a_book_in_pieces_is_as_long_and_its_parts_begin_as_in_one_piece(tmp_path: Path) -> None:
    parts = book(tmp_path, "mp3", "wav", "mp3", seconds=32)
    done = converted(tmp_path, parts, cores=3)
    assert done.samples == tuple(len(pcm(part.path)) for part in parts)
    assert late(done, parts) == [0, 0, 0]
    assert len(pcm(done.path)) == done.total


def test_nothing_is_heard_where_two_pieces_meet(tmp_path: Path) -> None:
    # A chord that rises every second, so that no stretch of it is silent.
    second = array(
        "h",
        [round(6000 * sum(math.sin((200 + at / 300) * at * k / RATE) for k in (1, 3))) for at in range(RATE)],
    )
    with wave.open(str(tmp_path / "1.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes((second * 61).tobytes())
    done = converted(tmp_path, [tmp_path / "1.wav"], cores=2)
    after = pcm(done.path)

    def error(begin: int) -> int:
        """Power of what coding changed within a twentieth of a second."""
        return sum((after[at] - second[at % RATE]) ** 2 for at in range(begin, begin + RATE // 20))

    seam = len(after) // 2
    around = [error(seam + shift) for shift in range(-4410, 4410, 735)]
    elsewhere = [error(second + shift) for second in (7 * RATE, 40 * RATE) for shift in range(0, RATE, 735)]
    assert max(around) <= max(elsewhere)


def test_mono_parts_are_as_loud_in_a_stereo_book(tmp_path: Path) -> None:
    mono = speak(TEXT, tmp_path / "1.flac", codec="flac", seconds=3)
    stereo = speak(TEXT, tmp_path / "2.flac", codec="flac", channels=2, seconds=3)
    done = converted(tmp_path, [mono, stereo])
    assert done.channels == 2
    heard = pcm(done.path)
    assert max(heard[: 2 * 3 * RATE]) == pytest.approx(max(pcm(mono.path)), rel=0.05)


def test_aac_parts_are_joined_frame_by_frame_and_each_begins_where_it_is_said_to(tmp_path: Path) -> None:
    parts = book(tmp_path, "m4a", "m4b", "m4a", "m4a")
    done = converted(tmp_path, parts)
    assert done.kind == "splice"
    assert late(done, parts) == [0, 0, 0, 0]
    for samples, part in zip(done.samples[:-1], parts[:-1], strict=True):
        assert 0 <= samples - part.samples < 1024
    assert done.samples[-1] == parts[-1].samples
    assert mp4_read.read(done.path).samples == done.total
    sizes = [mp4_read.read(part.path).sizes for part in parts]
    joined = mp4_read.read(done.path).sizes
    # The frames are those of the parts, the first one of each later part left away.
    assert list(joined) == [*sizes[0], *sizes[1][1:], *sizes[2][1:], *sizes[3][1:]]


def test_raw_aac_is_joined_too(tmp_path: Path) -> None:
    parts = book(tmp_path, "aac", "aac")
    done = converted(tmp_path, parts)
    assert done.kind == "splice"
    assert done.samples == tuple(len(pcm(part.path)) for part in parts)


def test_aac_parts_in_fragments_cannot_be_joined_and_are_encoded(tmp_path: Path) -> None:
    parts = book(tmp_path, "m4a", "m4a")
    fragments = tmp_path / "fragments.m4a"
    copy = ["-c", "copy", "-movflags", "+frag_keyframe+empty_moov", "-frag_duration", "500000"]
    subprocess.run(["ffmpeg", "-v", "error", "-i", parts[1].path, *copy, fragments], check=True)
    done = converted(tmp_path, [parts[0], fragments])
    assert done.kind == "encode"
    assert done.samples[0] == parts[0].samples
    assert abs(done.samples[1] - parts[1].samples) < 2048


def test_one_m4b_passes_through_byte_for_byte_and_is_counted(tmp_path: Path) -> None:
    part = speak(TEXT, tmp_path / "a.m4b", codec="m4b", seconds=3.3, chapters=[(0, "One"), (2, "Two")])
    done = converted(tmp_path, [part])
    assert (done.kind, done.samples, done.rate) == ("pass_through", (part.samples,), RATE)
    assert done.path.read_bytes() == part.path.read_bytes()


def test_more_parts_than_one_decoder_takes_are_joined_without_a_gap(tmp_path: Path) -> None:
    sources = sources_of([speak("Sixty boats.", tmp_path / "boats.mp3", seconds=0.7)]) * 60
    done = encoded(tmp_path, sources)
    assert done.samples == (30_870,) * 60
    assert len(pcm(done.path)) == 60 * 30_870


def test_awkward_names_are_names_like_others(tmp_path: Path) -> None:
    names = [
        'it\'s "quoted".mp3',
        "-y.mp3",
        "concat:a|b.mp3",
        "📚 %d {x} [0:a];.mp3",
        f"{'ü' * 123}.mp3",
        "a\nb.mp3",
    ]
    parts = [speak(TEXT, tmp_path / name, seconds=1.1) for name in names]
    done = converted(tmp_path, parts)
    assert done.samples == (48_510,) * len(names)


def test_a_header_that_counts_wrongly_is_not_believed(tmp_path: Path) -> None:
    parts = book(tmp_path, "mp3", "mp3")
    content = bytearray(parts[0].path.read_bytes())
    at = content.index(b"Info") + 8
    content[at : at + 4] = (int.from_bytes(content[at : at + 4], "big") + 10).to_bytes(4, "big")
    parts[0].path.write_bytes(content)
    assert foreseen(sources_of(parts[:1])[0]) == parts[0].samples + 10 * 1152
    done = converted(tmp_path, parts)
    assert done.samples[0] == len(pcm(parts[0].path)) != parts[0].samples + 10 * 1152
    assert late(done, parts) == [0, 0]
    assert len(pcm(done.path)) == done.total


@pytest.mark.parametrize("codec", ["mp3", "m4a", "ogg"])
def test_a_part_with_damage_in_its_middle_is_named_and_there_is_no_book(tmp_path: Path, codec: str) -> None:
    parts = book(tmp_path, codec, codec, codec, seconds=2)
    bad = broken.damaged(parts[1], tmp_path / f"bad.{codec}", size=6000)
    with pytest.raises(Permanent, match="cannot be decoded") as error:
        converted(tmp_path, [parts[0], bad, parts[2]], settings=AudiobooksSettings(convert="always"))
    assert error.value.subject == str(bad)
    assert not (tmp_path / "book.m4b").exists()


@pytest.mark.parametrize("counted", [True, False], ids=["counted in its header", "not counted"])
@pytest.mark.parametrize(
    "behind",
    [bytes(700), b"LYRICSBEGIN" + 40 * b"lala" + b"LYRICS200TAG" + bytes(125)],
    ids=["zeros", "lyrics"],
)
def test_what_lies_behind_the_sound_of_an_mp3_is_no_damage(
    tmp_path: Path, counted: bool, behind: bytes
) -> None:
    parts = book(tmp_path, "mp3", "mp3", seconds=2)
    content = parts[0].path.read_bytes()
    # Without the frame that counts the others: from the second one on.
    start = 0 if counted else content.index(content[content.index(b"\xff\xfb") :][:2], content.index(b"Info"))
    parts[0].path.write_bytes(content[start:] + behind)
    done = converted(tmp_path, parts)
    assert abs(done.samples[0] - parts[0].samples) <= (0 if counted else 3000)
    assert lag(pcm(done.path), done.samples[0], pcm(parts[1].path)) == 0


def test_a_part_that_ends_before_its_header_says_is_named(tmp_path: Path) -> None:
    parts = book(tmp_path, "mp3", "mp3", seconds=8)
    whole = sources_of(parts)
    broken.cut_off(parts[1], parts[1].path)
    with pytest.raises(Permanent, match="ends early") as error:
        encoded(tmp_path, whole)
    assert error.value.subject == str(parts[1].path)


def test_a_part_that_vanished_is_an_error_that_names_it(tmp_path: Path) -> None:
    parts = book(tmp_path, "mp3", "mp3")
    sources = sources_of(parts)
    sources[1] = replace(sources[1], path=tmp_path / "gone.mp3")
    with pytest.raises(Permanent, match=r"gone\.mp3"):
        encoded(tmp_path, sources)


def hanging(folder: Path, when: str) -> Programs:
    """An ffmpeg that hangs for ever when its command line has this word."""
    script = folder / "ffmpeg"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *{when}*) exec sleep 1000;; esac\nexec {FFMPEG.ffmpeg} "$@"\n'
    )
    script.chmod(0o755)
    return Programs(str(script), FFMPEG.ffprobe)


@pytest.mark.parametrize("when", ["adts", "f32le"])
def test_a_hung_ffmpeg_is_killed_at_the_deadline(tmp_path: Path, when: str) -> None:
    parts = book(tmp_path, "mp3", "mp3")
    with pytest.raises(Transient, match="did not end in time"):
        converted(tmp_path, parts, using=hanging(tmp_path, when), timeout=1.0)
    assert not running_below(tmp_path)


def test_a_stop_ends_everything_at_once(tmp_path: Path) -> None:
    parts = book(tmp_path, "mp3", "mp3")
    stop = Event()
    Timer(0.5, stop.set).start()
    with pytest.raises(Transient, match="stopped"):
        converted(tmp_path, parts, using=hanging(tmp_path, "adts"), stop=stop)
    assert not running_below(tmp_path)
    assert not (tmp_path / "book.m4b").exists()


def test_an_encoder_that_fails_is_worth_another_try(tmp_path: Path) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text(
        f'#!/bin/sh\ncase "$*" in *adts*) echo "it is tired" >&2; exit 3;; esac\nexec {FFMPEG.ffmpeg} "$@"\n'
    )
    script.chmod(0o755)
    with pytest.raises(Transient, match="it is tired"):
        converted(tmp_path, book(tmp_path, "mp3"), using=Programs(str(script), FFMPEG.ffprobe))


def test_what_is_done_is_told_and_only_grows(tmp_path: Path) -> None:
    told: list[float] = []
    converted(tmp_path, book(tmp_path, "wav", "wav", seconds=32), cores=2, tell=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert all(0 <= share <= 1 for share in told)


def test_what_was_said_to_be_needed_on_disk_is_enough(tmp_path: Path) -> None:
    parts = book(tmp_path, "mp3", "flac", seconds=4)
    sources = sources_of(parts)
    needed = encode.space_needed(sources, plan.decide(sources, AudiobooksSettings(), encoders=NATIVE))
    done = converted(tmp_path, parts)
    assert 2 * done.path.stat().st_size < needed < 2 * done.path.stat().st_size + 20_000_000


KILLED = """
import sys
from pathlib import Path
from threading import Event
from medialift.audiobooks import encode, plan, probe, programs
from medialift.settings import AudiobooksSettings
folder, found = Path(sys.argv[1]), programs.found()
sources = probe.probe_all([folder / "0.mp3"], found) * 200
decided = plan.decide(sources, AudiobooksSettings(), encoders=frozenset({"aac"}))
work, stop = folder / "work", Event()
encode.convert(
    sources, decided, folder / "book.m4b", work=work, cores=2, programs=found, stop=stop, timeout=600
)
"""


def test_no_program_outlives_us_when_we_are_killed(tmp_path: Path) -> None:
    book(tmp_path, "mp3", seconds=10)
    worker = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)])
    try:
        assert wait_until(lambda: len(list((tmp_path / "work").glob("piece-*"))) == 2, at_most=60, every=0.05)
        assert running_below(tmp_path)
    finally:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    assert wait_until(lambda: not running_below(tmp_path), at_most=20, every=0.1)
    assert not (tmp_path / "book.m4b").exists()


def running_below(folder: Path) -> list[int]:
    """Programs whose command line names something in this folder."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                words = (process / "cmdline").read_bytes()
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if os.fsencode(folder) in words and b"medialift" not in words and state != "Z":
                found.append(int(process.name))
    return found


def test_every_codec_is_foreseen_as_it_is_decoded_or_not_at_all(tmp_path: Path) -> None:
    for codec in ("mp3", "flac", "ogg", "opus", "wav", "aac", "alac"):
        part = book(tmp_path / codec, codec)[0]
        assert foreseen(sources_of([part])[0]) in (None, len(pcm(part.path)))
    vbr = speak(TEXT, tmp_path / "vbr.mp3", vbr=True, rate=22_050, seconds=2.2)
    assert foreseen(sources_of([vbr])[0]) == vbr.samples == len(pcm(vbr.path))
    aac = book(tmp_path, "m4a")[0]
    assert foreseen(sources_of([aac])[0]) == aac.samples


def test_the_programs_and_their_encoders_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"aac", "flac"} <= programs.encoders(FFMPEG)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Permanent, match="ffmpeg and ffprobe"):
        programs.found()

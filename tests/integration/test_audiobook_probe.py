"""What a file is, asked of real files: of every kind, and of those that are no good."""

from pathlib import Path

import pytest

from medialift.audiobooks import programs
from medialift.audiobooks.probe import probe, probe_all
from medialift.errors import Permanent, Transient
from sandbox.audiobooks import broken, recordings
from sandbox.audiobooks.recordings import speak

TEXT = "The harbour lay still."
FFMPEG = programs.found()


def test_every_kind_of_sound_is_known_with_its_codec_rate_and_channels(tmp_path: Path) -> None:
    expected = {
        "mp3": ("mp3", 22_050),
        "m4a": ("aac", 22_050),
        "m4b": ("aac", 22_050),
        "aac": ("aac", 22_050),
        "alac": ("alac", 22_050),
        "flac": ("flac", 22_050),
        "ogg": ("vorbis", 22_050),
        "opus": ("opus", 48_000),
        "wma": ("wmav2", 22_050),
        "wav": ("pcm_s16le", 22_050),
    }
    made = {
        codec: speak(TEXT, tmp_path / f"a.{codec}", codec=codec, rate=22_050, channels=2, seconds=1)
        for codec in recordings.CODECS
    }
    found = probe_all([one.path for one in made.values()], FFMPEG)
    assert {codec: (one.codec, one.rate) for codec, one in zip(made, found, strict=True)} == expected
    assert {one.channels for one in found} == {2}
    assert all(abs(one.seconds - 1.0) < 0.2 for one in found)
    assert all(one.bitrate > 10_000 for one in found)


def test_tags_chapters_and_the_cover_are_found_and_names_of_tags_are_in_lower_case(tmp_path: Path) -> None:
    cover = recordings.picture(tmp_path / "cover.jpg")
    tags = {"TITLE": "One", "album": "The Ledger", "track": "1/3"}
    speak(
        TEXT,
        tmp_path / "a.m4b",
        codec="m4b",
        seconds=2,
        tags=tags,
        chapters=[(0, "Dawn"), (1.25, "Dusk")],
        cover=cover,
    )
    found = probe(tmp_path / "a.m4b", FFMPEG)
    assert found.tags == {"title": "One", "album": "The Ledger", "track": "1/3"}
    assert [(one.start, one.title) for one in found.chapters] == [(0, "Dawn"), (1.25, "Dusk")]
    assert found.chapters[-1].end == pytest.approx(2.0, abs=0.001)
    assert found.cover is not None and found.cover != found.stream


def test_tags_of_ogg_lie_in_the_stream_and_are_found_too(tmp_path: Path) -> None:
    speak(TEXT, tmp_path / "a.ogg", codec="ogg", seconds=1, tags={"title": "One"})
    assert probe(tmp_path / "a.ogg", FFMPEG).tags["title"] == "One"


@pytest.mark.parametrize("name", ["a.mp3", "a.txt", "no ending", "it's “quoted” %d 🎧 [1]:-.wav"])
def test_the_contents_decide_and_not_the_name(name: str, tmp_path: Path) -> None:
    speak(TEXT, tmp_path / name, codec="flac", seconds=1)
    assert probe(tmp_path / name, FFMPEG).codec == "flac"


@pytest.mark.parametrize("ending", [".mp3", ".m4b", ".flac", ".ogg", ".wma", ".wav"])
def test_text_under_the_name_of_a_recording_is_refused(ending: str, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="no audio file"):
        probe(broken.text(tmp_path / f"a{ending}"), FFMPEG)


def test_a_playlist_under_the_name_of_a_recording_leads_to_no_other_file(tmp_path: Path) -> None:
    speak(TEXT, tmp_path / "secret.mp3", seconds=1)
    (tmp_path / "a.mp3").write_text(f"ffconcat version 1.0\nfile '{tmp_path}/secret.mp3'\n")
    (tmp_path / "b.mp3").write_text(f"#EXTM3U\n#EXTINF:1,\n{tmp_path}/secret.mp3\n#EXT-X-ENDLIST\n")
    for name in ("a.mp3", "b.mp3"):
        with pytest.raises(Permanent, match="no audio file"):
            probe(tmp_path / name, FFMPEG)


def test_a_picture_is_no_sound(tmp_path: Path) -> None:
    picture = recordings.picture(tmp_path / "a.jpg")
    picture.rename(tmp_path / "a.mp3")
    with pytest.raises(Permanent, match="no audio file"):
        probe(tmp_path / "a.mp3", FFMPEG)


@pytest.mark.parametrize("ending", [".mp3", ".m4b"])
def test_an_empty_file_is_refused(ending: str, tmp_path: Path) -> None:
    (tmp_path / f"a{ending}").touch()
    with pytest.raises(Permanent, match="empty"):
        probe(tmp_path / f"a{ending}", FFMPEG)


@pytest.mark.parametrize(
    ("entry", "brand", "named"),
    [
        (b"drms", b"M4P ", "FairPlay"),
        (b"aavd", b"aax ", "Audible AAX"),
        (b"aavd", b"M4B ", "Audible AAX"),
        (b"mp4a", b"aaxc", "Audible AAXC"),
        (b"enca", b"M4A ", "common encryption"),
    ],
)
def test_a_protected_file_is_refused_by_its_contents_whatever_it_is_called(
    entry: bytes, brand: bytes, named: str, tmp_path: Path
) -> None:
    with pytest.raises(Permanent, match=rf"protected \({named}\)"):
        probe(broken.protected(tmp_path / "a.m4b", entry, brand), FFMPEG)


def test_audibles_first_format_and_protected_wma_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(bytes(4) + bytes.fromhex("57907536") + bytes(2000))
    made = speak(TEXT, tmp_path / "a.wma", codec="wma", seconds=1).path
    content = bytearray(made.read_bytes())
    content[200:216] = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")
    made.write_bytes(content)
    for name, protection in (("a.mp3", "Audible AA"), ("a.wma", "Windows Media DRM")):
        with pytest.raises(Permanent, match=protection):
            probe(tmp_path / name, FFMPEG)


@pytest.mark.parametrize("codec", ["mp3", "m4a", "m4b", "aac", "ogg", "opus", "wma", "wav"])
@pytest.mark.parametrize("keep", [0.04, 0.93])
def test_a_file_whose_end_is_missing_is_refused(codec: str, keep: float, tmp_path: Path) -> None:
    whole = speak(TEXT, tmp_path / "whole", codec=codec, seconds=6, bitrate="96k")
    probe(whole.path, FFMPEG)
    with pytest.raises(Permanent, match=r"truncated|no audio file"):
        probe(broken.cut_off(whole, tmp_path / f"a.{codec}", keep), FFMPEG)


def test_an_mp4_that_begins_with_its_index_and_lacks_its_end_is_refused(tmp_path: Path) -> None:
    """ffprobe alone takes it for whole: everything it looks at lies in front."""
    whole = speak(TEXT, tmp_path / "whole.m4b", codec="m4b", seconds=4)
    content = whole.path.read_bytes()
    index = content.index(b"moov") - 4
    front, data, movie = content[:28], content[28:index], content[index:]
    assert front[4:8] == b"ftyp"
    (tmp_path / "a.m4b").write_bytes(front + movie + data[: len(data) // 2])
    with pytest.raises(Permanent, match="truncated"):
        probe(tmp_path / "a.m4b", FFMPEG)


def test_a_vbr_mp3_and_one_with_a_large_cover_are_whole(tmp_path: Path) -> None:
    cover = recordings.picture(tmp_path / "cover.png", size=600)
    speak(TEXT, tmp_path / "a.mp3", vbr=True, seconds=3, cover=cover, tags={"title": "One"})
    speak(TEXT, tmp_path / "b.mp3", vbr=True, seconds=3, rate=22_050, channels=2)
    assert [one.codec for one in probe_all([tmp_path / "a.mp3", tmp_path / "b.mp3"], FFMPEG)] == [
        "mp3",
        "mp3",
    ]


def test_all_bad_files_of_a_book_are_named_at_once(tmp_path: Path) -> None:
    good = speak(TEXT, tmp_path / "1.mp3", seconds=1).path
    (tmp_path / "2.mp3").touch()
    text = broken.text(tmp_path / "3.mp3")
    with pytest.raises(Permanent) as told:
        probe_all([good, tmp_path / "2.mp3", text], FFMPEG)
    assert "2.mp3" in str(told.value) and "3.mp3" in str(told.value) and "1.mp3" not in str(told.value)


def test_a_file_that_is_gone_may_come_back(tmp_path: Path) -> None:
    (tmp_path / "empty.mp3").touch()
    with pytest.raises(Transient, match="cannot be read now"):
        probe_all([tmp_path / "empty.mp3", tmp_path / "gone.mp3"], FFMPEG)

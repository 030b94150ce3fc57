"""What ffmpeg says of the parts that it decoded, read as it says it."""

from pathlib import Path

import pytest

from medialift.audiobooks import decoding
from medialift.audiobooks.decoding import Format, Group
from medialift.audiobooks.source import Source

FORM = Format(44_100, 1)


def source(number: int, rate: int = 44_100) -> Source:
    return Source(Path(f"/in/{number}.mp3"), "mp3", "mp3", "", rate, 1, 64_000, 60.0)


THREE = Group(10, tuple(source(number) for number in range(3)))
TOLD = """\
[verbose] Input file #0 (/in/0.mp3):
[verbose]   Input stream #0:0 (audio): 2 packets read (480 bytes); 2 frames decoded (1000 samples);
[verbose] Input file #1 (/in/1.mp3):
[verbose]   Input stream #1:0 (audio): 2 packets read (480 bytes); 2 frames decoded (0 samples);
[verbose] Input file #2 (/in/2.mp3):
[verbose]   Input stream #2:0 (audio): 2 packets read (480 bytes); 2 frames decoded (234 samples);
"""


def test_each_part_of_a_group_is_counted_when_the_sum_is_what_came_through() -> None:
    assert decoding.counted(THREE, TOLD, 1234) == (1000, 0, 234)


@pytest.mark.parametrize("said", [TOLD, "", TOLD.replace("#1:0", "#9:0")])
def test_a_group_of_which_that_is_not_certain_is_not_counted(said: str) -> None:
    assert decoding.counted(THREE, said, 1235) is None
    assert decoding.counted(THREE, said.replace("decoded (0", "seen (0"), 1234) is None


def test_a_part_by_itself_is_what_came_through() -> None:
    assert decoding.counted(Group(4, (source(0, 22_050),)), "", 77) == (77,)


@pytest.mark.parametrize(
    ("line", "harm"),
    [
        ("[error] Error while decoding stream #1:0: Invalid data found when processing input", True),
        ("[aist#2:0/mp3 @ 0x55] [error] Error submitting packet to decoder: Invalid data found", True),
        ("[error] /in/2.mp3: Invalid data found when processing input", True),
        ("[ogg @ 0x55] [error] CRC mismatch!", True),
        ("[mov,mp4,m4a,3gp,3g2,mj2 @ 0x55] [error] stream 0, offset 0x2c: partial file", True),
        ("[warning] Error while decoding stream #1:0: said before, and only repeated", False),
        ("[mp3float @ 0x55] [error] invalid new backstep -1", False),
        ("[mp3 @ 0x55] [warning] Estimating duration from bitrate, this may be inaccurate", False),
    ],
)
def test_damage_is_told_from_what_does_no_harm(line: str, harm: bool) -> None:
    assert decoding.damaged(f"[info] hello\n{line}\n[info] bye") is harm


def test_parts_of_the_rate_of_the_book_are_decoded_together_and_others_alone() -> None:
    rates = [44_100] * 30 + [22_050, 22_050, 44_100]
    sources = [source(number, rate) for number, rate in enumerate(rates)]
    found = list(decoding.groups(sources, 1, 33, FORM))
    assert [(group.first, len(group.sources)) for group in found] == [
        (1, 24),
        (25, 5),
        (30, 1),
        (31, 1),
        (32, 1),
    ]

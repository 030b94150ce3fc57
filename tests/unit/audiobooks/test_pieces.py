"""A book on the grid of its frames, and the pieces that it is encoded in."""

from itertools import accumulate

import pytest

from medialift.audiobooks import pieces

RATE = 44_100
HOUR = 3600 * RATE


@pytest.mark.parametrize("samples", [[1], [1023], [1024], [100_000, 3], [7, 0, 9], [5 * HOUR, 11]])
def test_a_book_ends_exactly_where_a_frame_does(samples: list[int]) -> None:
    grid = pieces.grid(samples, 1024)
    assert 0 <= grid.lead < 1024
    assert grid.frames * 1024 == grid.start + sum(samples)


BOOKS = [
    [HOUR],
    [HOUR, 2 * HOUR, 17],
    [60 * RATE + 13 * part for part in range(50)],
    [17, HOUR, 0, 0, HOUR // 2],
    [31 * RATE, 31 * RATE],
]


@pytest.mark.parametrize("samples", BOOKS)
@pytest.mark.parametrize("cores", [1, 2, 3, 8])
def test_the_pieces_keep_every_frame_once_and_count_every_part_once(samples: list[int], cores: int) -> None:
    grid = pieces.grid(samples, 1024)
    goes = pieces.split(grid, RATE, cores)
    assert 1 <= len(goes) <= cores
    assert sum(go.keep for go in goes) == grid.frames
    assert [go.part for go in goes] == [0, *(go.after for go in goes[:-1])]
    assert goes[-1].after == len(samples)
    assert (goes[-1].length, goes[0].skip, goes[0].lead, goes[0].drop) == (None, 0, grid.lead, 0)


@pytest.mark.parametrize("samples", BOOKS)
@pytest.mark.parametrize("cores", [2, 3, 8])
def test_each_encoder_gets_what_its_frames_are_of_on_the_grid_of_the_book(
    samples: list[int], cores: int
) -> None:
    grid = pieces.grid(samples, 1024)
    starts = [0, *accumulate(samples)]
    kept = 0
    for go in pieces.split(grid, RATE, cores):
        # The first sample that the encoder is given, counted from the first one of the whole with its lead.
        begins = starts[go.part] + go.skip + grid.lead - go.lead
        assert begins % 1024 == 0
        assert begins // 1024 + go.drop == kept
        assert go.drop == 0 or go.drop >= 8
        kept += go.keep
        if go.length is not None:
            fed = go.lead + go.length
            # A frame is of two thousand samples, and an encoder looks one more frame ahead.
            assert (
                fed >= (go.drop + go.keep + 2) * 1024 or starts[go.part] + go.skip + go.length == grid.total
            )


def test_a_book_is_split_into_pieces_of_one_length() -> None:
    lengths = [go.keep for go in pieces.split(pieces.grid([HOUR, HOUR, 40 * RATE], 1024), RATE, 4)]
    assert len(lengths) == 4
    assert max(lengths) - min(lengths) <= 1


def test_a_short_book_is_one_piece() -> None:
    assert len(pieces.split(pieces.grid([40 * RATE], 1024), RATE, 8)) == 1

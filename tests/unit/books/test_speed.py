"""Speed figures: the average every hundred files, slow uploads by name, and the time left."""

import pytest

from medialift.books.speed import Meter, Minute, Speed, Upload, Whole, speed

NOW = 1_800_000_000.0


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def told():
    return []


@pytest.fixture
def meter(told):
    watch = Watch()
    meter = Meter(tell=told.append, warn=told.append, clock=watch)

    def upload(seconds: float, *, book: int = 1, size: int = 1_000_000) -> bool:
        watch.at += seconds
        return meter.uploaded(Upload(book, "EPUB", size, seconds))

    return meter, upload


def test_the_average_is_told_every_hundred_files_and_is_that_of_these_hundred(meter, told):
    meter, upload = meter
    for _ in range(100):
        upload(6.0)
    for _ in range(99):
        upload(3.0)
    assert len(told) == 1
    assert "6 s per file on average, 10 files and 10 MB per minute" in told[0]
    upload(3.0)
    assert told[1].startswith("200 files uploaded; the last 100: 3 s per file on average, 20 files")


def test_an_upload_of_more_than_two_minutes_is_counted_and_told_by_name(meter, told):
    meter, upload = meter
    assert not upload(120.0)
    assert upload(150.0, book=77, size=400_000_000)
    assert told == ["Slow upload: book 77 (EPUB): 400 MB in 2 min 30 s"]
    assert meter.slow_count == 1
    assert [one.book for one in meter.slow] == [77]


def test_the_list_of_slow_uploads_stays_short_however_many_there_are(meter):
    meter, upload = meter
    for book in range(1000):
        upload(121.0, book=book)
    assert meter.slow_count == 1000
    assert [one.book for one in meter.slow] == list(range(980, 1000))


def test_the_speed_is_that_of_the_last_minutes_and_tells_the_time_left():
    minutes = [Minute(NOW - 60 * n, items=10, files=20, bytes=1_000_000) for n in range(1, 6)]
    found = speed(minutes, Whole(minutes=5, files=100), now=NOW, items_left=120)
    assert (found.items_per_minute, found.files_per_minute) == (10, 20)
    assert found.bytes_per_minute == 1_000_000
    assert found.seconds_left == 720
    assert found.sentence() == "20 files and 1 MB per minute, 12 min left"


def test_a_pause_slows_the_present_speed_and_leaves_the_average():
    minutes = [Minute(NOW - 480, items=10, files=10)]
    found = speed(minutes, Whole(minutes=10, files=100), now=NOW, items_left=50)
    assert found.files_per_minute == pytest.approx(10 / 8)
    assert found.average_files_per_minute == 10


def test_what_is_older_than_the_window_is_no_speed():
    found = speed([Minute(NOW - 700, files=100, items=100)], Whole(1, 100), now=NOW, items_left=5)
    assert found.files_per_minute == 0
    assert found.seconds_left is None
    assert found.sentence() == "nothing moves"


def test_nothing_left_takes_no_time_even_when_nothing_moves():
    assert speed([], Whole(), now=NOW, items_left=0).seconds_left == 0


def test_a_minute_that_has_only_begun_makes_no_absurd_speed():
    found = speed([Minute(NOW - 1, items=5, files=5)], Whole(1, 5), now=NOW, items_left=100)
    assert found.files_per_minute == 20


def test_the_speed_as_json_is_rounded():
    assert Speed(files_per_minute=1 / 3, slow=2).to_dict() == {
        "files_per_minute": 0.33,
        "items_per_minute": 0.0,
        "bytes_per_minute": 0.0,
        "average_files_per_minute": 0.0,
        "seconds_left": None,
        "slow": 2,
    }

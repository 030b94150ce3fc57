"""How `medialift books` shows what it knows, and how its bar is told: no server and no ledger are needed."""

from medialift.books.accounts import Accounts
from medialift.books.speed import Speed, Upload
from medialift.books.status import Status
from medialift.cli import books_shown as shown
from medialift.cli.face import Face, _Lines
from medialift.queueing.control import Control
from medialift.queueing.ledger import Counts


def accounts(**files):
    found = Accounts()
    for account, count in files.items():
        found.add(account, "too large" if account == "skipped" else "", count, count * 1000)
    return found


def test_status_is_a_few_sentences_and_a_table(capsys):
    shown.status(
        Face(as_json=False),
        Status(
            "calibre",
            Counts(ready=3, done=2),
            accounts(uploaded=2, skipped=1, waiting=4),
            Speed(12, 6, 3_000_000, average_files_per_minute=20, seconds_left=600, slow=1),
            seconds_per_file=2.5,
            slow=(Upload(7, "PDF", 400_000_000, 150.0),),
            control=Control(paused=True, paused_why="the line is needed"),
        ),
    )
    assert capsys.readouterr().out.splitlines() == [
        "calibre: paused (the line is needed)",
        "books: 3 ready, 2 done",
        "files\tcount\tsize\twhy",
        "uploaded\t2\t2 kB\t",
        "skipped\t1\t1 kB\ttoo large: 1",
        "waiting\t4\t4 kB\t",
        "speed: 12 files and 3 MB per minute, 10 min left, 2.5 s per file, 20 files per minute on average; "
        "1 uploads took over two minutes",
        "  slow: book 7 (PDF): 400 MB in 2 min 30 s",
    ]


def test_the_bar_counts_books_that_have_ended_and_says_why_it_rests():
    moving = Status(
        "calibre", Counts(ready=3, leased=1, done=4, failed=2, cancelled=5), speed=Speed(2, 1, 1000)
    )
    assert shown.position(moving) == (6, 10, "2 files and 1 kB per minute; 2 failed")
    resting = Status("calibre", Counts(ready=1), control=Control(closed=True, hours="22:00-06:30"))
    assert shown.position(resting) == (0, 1, "outside of its hours 22:00-06:30")


def test_a_plan_is_told_with_its_formats_the_most_frequent_first(capsys):
    made = {"books": 3, "files": 4, "bytes": 4000, "new": 2, "changed": 1, "removed": 0, "unchanged": 0}
    formats = {"EPUB": {"files": 1, "bytes": 1000}, "PDF": {"files": 3, "bytes": 3000}}
    shown.plan(Face(as_json=False), {**made, "by_format": formats}, check=True)
    assert capsys.readouterr().out.splitlines() == [
        "3 books with 4 files, 4 kB: 2 new, 1 changed, 0 gone, 0 as before",
        "format\tfiles\tsize",
        "PDF\t3\t3 kB",
        "EPUB\t1\t1 kB",
        "Nothing was written.",
    ]


def test_elsewhere_than_on_a_terminal_a_line_is_told_now_and_then_and_the_last_always(capsys):
    now = [100.0]
    lines = _Lines("Books", clock=lambda: now[0])
    for done in range(100):
        now[0] += 1
        lines.tell(done, 100, "fast")
    lines.end()
    lines.end()
    told = capsys.readouterr().err.splitlines()
    assert told == [f"Books: {done} of 100, fast" for done in (0, 30, 60, 90, 99)]

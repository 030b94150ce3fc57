"""What leaves the house has placeholders for whatever is somebody's own."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medialift.healing.model.redaction import Redaction

SECRET = "s3cr3t-Value/9+x"
LIBRARY = "/srv/calibre/Our Library"


@pytest.fixture
def hidden() -> Redaction:
    return Redaction(
        secrets=[SECRET], folders=[LIBRARY, "/"], names=[("shelf1", "host"), ("anna", "user"), ("", "host")]
    )


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            f"cannot read {LIBRARY}/Anna Smith/My Diary (12)/My Diary - Anna Smith.epub: timed out",
            "cannot read <path1.epub>: timed out",
        ),
        (f"[Errno 2] No such file: '{LIBRARY}/Smith, Anna/x.EPUB'", "[Errno 2] No such file: '<path1.epub>'"),
        ("[Errno 5] '/home/anna/Calibre Library/metadata.db'", "[Errno 5] '<path1.db>'"),
        ("open /mnt/a b/c d.epub and /mnt/e/f.mobi", "open <path1.epub> and <path2.mobi>"),
        ("copied /mnt/x/a.pdf -> /mnt/x/b.pdf", "copied <path1.pdf> -> <path2.pdf>"),
        (f"{LIBRARY}/Anna Smith", "<path1>"),
        ("/mnt/media/Anna Smith (12) is gone", "<path1> is gone"),
        ("see ~/notes and ~anna/notes", "see <path1> and <path2>"),
        ("file:///home/anna/x.txt", "file://<path1.txt>"),
        ("sending My Diary.epub failed", "sending <file1.epub> failed"),
        ("Anna Smith/My Diary (12)/cover.jpg", "<file1.jpg>"),
        ("book 'My Secret Diary' has no 'series'", "book '<text1>' has no 'series'"),
        ('book "Äpfel" is bad', 'book "<text1>" is bad'),
        ("mail anna.smith@example.org now", "mail <email1> now"),
        ("ssh root@shelf1", "ssh <user1>@<host1>"),
        ("SHELF1 and shelf1.lan", "<host1> and <host1>.lan"),
        ("GET http://shelf1:6006/api/ebooks/12/cover?title=Diary", "GET http://<host1>:6006/api/ebooks/…"),
        ("http://anna:pw@nas.example.org/x", "http://<host1>/…"),
        ("POST /api/search/Anna%20Smith 404", "POST /api/search/… 404"),
        ("GET /api/languages 200", "GET /api/languages 200"),
        ("connect to 192.168.1.7 port 5432", "connect to <address1> port 5432"),
        ("[fe80::1%eth0]: 2001:db8::7 refused", "[<address1>]: <address2> refused"),
        ("eth0 aa:bb:cc:dd:ee:ff", "eth0 <address1>"),
        ("sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709", "sha1 <id1>"),
        ("id 123e4567-e89b-12d3-a456-426614174000", "id <id1>"),
        (f"password={SECRET}", "password=*****"),
        ("Authorization: Bearer abcdefghijklmnop", "Authorization: *****"),
        ("user anna logged in", "user <user1> logged in"),
        ("\x1b[31mred\x1b[0m a\u200bb\u202ec\x00", "red abc"),
    ],
)
def test_what_is_somebodys_has_a_placeholder(hidden, line, shown):
    assert hidden(line) == shown


@pytest.mark.parametrize(
    "line",
    [
        "INFO 12 items/s, 3.5 MB/s at 12:34:56, I/O error, and/or",
        "localhost, 127.0.0.1 and ::1 refuse; version 1.2.3",
        "relation \"item\" does not exist; KeyError: 'series'",
        "medialift.books.speed: asyncio.TimeoutError in socket.recv",
        "reads /proc/123/status and /dev/null",
        "MEDIALIFT_BOOKS__BATCH=20 is set",
        "psycopg.errors.LockNotAvailable: canceling statement due to lock timeout",
        "",
    ],
)
def test_what_is_the_programs_stays(hidden, line):
    assert hidden(line) == line


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/opt/medialift/releases/3/venv/lib/python3.11/site-packages/medialift/books/speed.py", None),
        ("/home/somebody/src/medialift/books/speed.py", None),
        ("/usr/lib/python3.11/asyncio/base_events.py", "python3.11/asyncio/base_events.py"),
        ("/opt/x/site-packages/psycopg/cursor.py", "psycopg/cursor.py"),
    ],
)
def test_code_is_named_from_its_package_on(hidden, path, shown):
    line = f'  File "{path}", line 12, in step'
    assert hidden(line) == f'  File "{shown or "medialift/books/speed.py"}", line 12, in step'


def test_the_same_name_has_the_same_placeholder_in_all_lines(hidden):
    text = hidden("/mnt/x/a.pdf\n/mnt/x/b.pdf\n'/mnt/x/a.pdf' of shelf1\nshelf1")
    assert text == "<path1.pdf>\n<path2.pdf>\n'<path1.pdf>' of <host1>\n<host1>"


def test_a_long_line_is_not_cut_within_a_name(hidden):
    shown = hidden("word " * 190 + "and then " + "/home/anna/" + "x" * 80 + ".epub and more" * 100)
    assert len(shown) < 1100 and "anna" not in shown and shown.endswith(" …")


NAMES = st.lists(
    st.text("abcdefgXYZ", min_size=3, max_size=8).map(str.capitalize), min_size=1, max_size=3
).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(
    before=st.sampled_from(["cannot read ", "'", "at ", "path=", "", "(", "read: "]),
    parts=st.lists(NAMES, min_size=1, max_size=4),
    ending=st.sampled_from([".epub", ".m4b", ".tar.gz"]),
    after=st.sampled_from(["", ": gone", "'", " is gone", ") twice", ", and more"]),
)
def test_no_part_of_a_path_in_the_house_is_told(before, parts, ending, after):
    hide = Redaction(folders=[LIBRARY])
    for root in (LIBRARY, "/mnt/media"):
        shown = hide(f"{before}{root}/{'/'.join(parts)}{ending}{after}")
        for part in " ".join(parts).split():
            assert part not in shown


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_a_known_secret_is_never_told(before, after):
    assert SECRET not in Redaction(secrets=[SECRET])(f"{before}{SECRET}{after}")


@pytest.mark.parametrize(
    "unit",
    ["a.", "a:", "/a ", "a@", "' ", "x" * 50, "1.", "a b.", "Ab ", "http://", "~", "::", '"a b', "a-", "/"],
)
def test_a_log_made_to_be_slow_to_read_is_not(hidden, unit):
    began = time.process_time()
    hidden("\n".join([(unit * 1000)[:1000]] * 150))
    assert time.process_time() - began < 5.0

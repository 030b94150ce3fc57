"""What is told when sources cannot be put away."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from medialift.audiobooks.after import hindrance
from medialift.errors import Transient

_NOBODY = 65534


def test_a_right_that_is_missing_is_told_with_the_way_to_give_it(tmp_path: Path) -> None:
    """As a user without rights finds it: a folder of another, with a book in it."""
    book = tmp_path / "book.mp3"
    book.write_bytes(b"sound")
    tmp_path.chmod(0o555)
    said = subprocess.run(
        ["/usr/bin/python3", "-c", _REMOVE, str(book)],
        user=_NOBODY if os.geteuid() == 0 else None,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    number, name = said.split(" ", 1)
    told = hindrance(OSError(int(number), os.strerror(int(number)), name.strip()))
    assert told.startswith(f"The service may not move or remove what lies there: {book}. ")
    assert "chown" in told
    assert book.exists()
    tmp_path.chmod(0o755)


def test_other_hindrances_are_told_as_they_are() -> None:
    assert hindrance(Transient("The archive is away", "/archive")) == "The archive is away: /archive."
    assert "No space left" in hindrance(OSError(28, "No space left on device", "/archive/x"))


_REMOVE = """
import os, sys
try:
    os.unlink(sys.argv[1])
except OSError as error:
    print(error.errno, error.filename)
"""

"""An intake of audiobooks: one comes through, one waits for a person, some fail, one is called a script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sandbox.audible.editions import USUAL, Edition
from sandbox.audible.habits import HTML
from sandbox.audible.server import StandIn, serve
from sandbox.audiobooks import broken
from sandbox.audiobooks.recordings import picture, speak

SECONDS = 2.0
"""How long one part plays."""
ASIN, RIGHT_ASIN, LATER_ASIN = "B0DEMO0004", "B0LEDGER01", "B0HARBOUR1"
KNOWN = f"Ada Harbour - Already Bound [{ASIN}]"
UNSURE = "Ada Example - The Lighthouse Ledger"
"""There are several recordings of it: which one it is, a person has to say."""
BROKEN = "Ada Harbour - Washed Out [B0DEMO0013]"
PROTECTED = "Ada Harbour - Locked Away [B0DEMO0012]"
ODD = "Ann Author - <img src=x onerror=document.title=1>"


@contextmanager
def catalogue() -> Iterator[str]:
    """Audible, Audnexus and their pictures; the address. Some of their first answers are failures."""
    stand_in = StandIn()
    stand_in.behave("audible", {"status": 503, "body": HTML}, {"status": 502, "body": HTML})
    bound = Edition(
        ASIN,
        "Already Bound",
        ("Ada Harbour",),
        ("Ned Reader",),
        SECONDS * 3,
        series=(("Harbour Tales", "4", "B0DEMOSERI"),),
    )
    # Two recordings of one text, by two narrators and as long as what lies in the inbox: which of them it is,
    # nothing there says.
    readings = (one for one in USUAL if one.asin in (RIGHT_ASIN, "B0LEDGER03"))
    stand_in.add(bound, *(replace(one, seconds=2 * SECONDS, chapters=()) for one in readings))
    server = serve(stand_in)
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        stand_in.lifted.set()
        server.shutdown()
        server.server_close()


def settings(folder: Path, address: str, **more: Any) -> dict[str, Any]:
    """The section [audiobooks]: an inbox, a library, and the services at this address."""
    for name in ("inbox", "converted", "archive", "failed", "backup", "work", "cache", "library"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return {
        **{name: str(folder / name) for name in ("inbox", "converted", "archive", "failed", "work")},
        "backup_folder": str(folder / "backup"),
        "wait": 0,
        "retry_base": 0.1,
        "free_space": 0,
        "health_port": 0,
        "encoder": "aac",
        "destinations": {"shelf": {"path": str(folder / "library")}},
        "tagging": {
            "audible_url": f"{address}/{{tld}}",
            "audnexus_url": f"{address}/audnexus",
            "cache": str(folder / "cache"),
            "retry_base": 0.1,
        },
        **more,
    }


def stock(inbox: Path) -> list[str]:
    """Fill the inbox; the names of the books."""
    _bound(inbox / KNOWN)
    _parts(inbox / UNSURE, "The Lighthouse Ledger", "Ada Example", 2)
    odd = _parts(inbox / ODD, "A <b>bold</b> title", "Ann Author", 1)
    (odd / "metadata.yml").write_text(
        'title: "A <script>document.title=1</script> title"\nauthors: ["Ann <i>Author</i>"]\n'
        "narrators: [Ben Reader]\nasin: B000000001\nrelease_date: 2020-01-01\nlanguage: english\n"
    )
    whole = speak("Washed out.", inbox / BROKEN / "01 - Adrift.m4a", codec="m4a", seconds=SECONDS)
    broken.cut_off(whole, whole.path)
    broken.protected(inbox / PROTECTED / "Locked Away.m4b", b"aavd", b"M4B ")
    return [KNOWN, UNSURE, ODD, BROKEN, PROTECTED]


def one_more(inbox: Path) -> str:
    """A book that comes later; its name."""
    return _parts(inbox / f"Ada Example - A Harbour in Winter [{LATER_ASIN}]", "", "Ada Example", 1).name


def _bound(folder: Path) -> None:
    speak(
        "The keeper wrote the weather into his ledger, as every night.",
        folder / "Already Bound.m4b",
        codec="m4b",
        tags={"album": "Already Bound", "artist": "Ada Harbour", "composer": "Ned Reader"},
        chapters=[(number * SECONDS, f"Chapter {number + 1}") for number in range(3)],
        seconds=SECONDS * 3,
        cover=picture(folder / "cover.jpg", size=300),
    )


def _parts(folder: Path, title: str, author: str, count: int) -> Path:
    for number in range(1, count + 1):
        speak(
            f"Chapter {number} of {title}.",
            folder / f"{number:02} - Chapter {number}.m4a",
            codec="m4a",
            seconds=SECONDS,
            tags={"album": title, "artist": author, "title": f"Chapter {number}", "track": str(number)},
        )
    picture(folder / "cover.jpg", size=300, colour="firebrick")
    return folder

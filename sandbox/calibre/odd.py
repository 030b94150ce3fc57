"""Books as they are in libraries that grew for years: odd names, odd text, files missing, empty or twice."""

from __future__ import annotations

from sandbox.calibre import content
from sandbox.calibre.library import Library


def add_odd(library: Library) -> dict[str, int]:
    """Add one book of each kind that went wrong somewhere; {kind: id}."""
    twice = content.of("EPUB", "Twice", "Somebody", "the very same words")
    long = "A Title That Does Not End " * 9

    def epub(words: str) -> dict[str, bytes | int]:
        return {"EPUB": content.of("EPUB", words, "Somebody", words)}

    add = library.add
    return {
        "cyrillic": add("Война и мир", ["Лев Толстой"], languages=["rus"], formats=epub("война и мир")),
        "emoji": add("Smile 😀 again", ["Ann 🦊 Fox"], languages=["eng"], formats=epub("smile")),
        "nul": add("A\x00Title", ["Nul\x00 Author"], comments="with\x00in", formats=epub("nul")),
        "control": add("Bell\x07 and\ttab\r\nand line", ["Esc\x1bape"], formats=epub("control")),
        "comma": add("Two Names", ["Smith, Jr., John", "Doe, Jane"], formats=epub("comma")),
        "one_word": add("Laws", ["Plato"], languages=["grc"], formats=epub("one word")),
        "missing": add("The File That Is Gone", ["Somebody"], formats={"EPUB": 4711}),
        "empty": add("The Empty File", ["Somebody"], formats={"EPUB": b""}),
        "none": add("No Format At All", ["Somebody"]),
        "twice": add("Twice", ["Somebody"], formats={"EPUB": twice}),
        "twice_again": add("Twice, Another Time", ["Somebody Else"], formats={"EPUB": twice}),
        "long": add(long, ["Somebody"], formats=epub("long")),
        "many": add(
            "Many Formats",
            ["Somebody"],
            series="A Series",
            series_index=2.5,
            formats={
                one: content.of(one, "Many Formats", "Somebody", one)
                for one in ("EPUB", "MOBI", "PDF", "FB2", "TXT", "RTF")
            },
        ),
        "unwanted": add("A Comic", ["Somebody"], formats={"CBZ": content.of("CBZ", "A Comic", "", "comic")}),
    }

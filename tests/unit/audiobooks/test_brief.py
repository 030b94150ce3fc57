"""What lists say of a book: as it was tagged, else as its sources say, else as its folder is called."""

from __future__ import annotations

from medialift.audiobooks import brief
from medialift.audiobooks.book import Structure
from medialift.audiobooks.manifest import Conversion, Detected, Manifest, Sources, Tagging
from medialift.audiobooks.metadata.model import Metadata, Series


def a_manifest(**changes: object) -> Manifest:
    detected = Detected(
        title="Tales", author="Ann; Ben", series="Harbour", series_part="2", asin="B0TEST0001"
    )
    made = Manifest(
        name="Tales",
        sources=Sources(key="Tales", structure=Structure.SINGLE, detected=detected),
        conversion=Conversion(kind="converted", file="Tales.m4b", seconds=61.5),
    )
    return made.changed(**changes)


def test_a_book_is_called_as_it_was_tagged_and_before_that_as_its_sources_say() -> None:
    assert brief.of(a_manifest()) == {
        "title": "Tales",
        "authors": ["Ann", "Ben"],
        "series": "Harbour",
        "part": "2",
        "asin": "B0TEST0001",
        "seconds": 61.5,
    }
    known = Metadata(title="The Tales", authors=("Cy",), series=Series("Harbour Tales", "1.5"), asin="")
    assert brief.of(a_manifest(tagging=Tagging(metadata=known))) == {
        "title": "The Tales",
        "authors": ["Cy"],
        "series": "Harbour Tales",
        "part": "1.5",
        "asin": "",
        "seconds": 61.5,
    }


def test_a_book_that_was_never_converted_is_called_as_its_folder() -> None:
    found = brief.of_source("Some Series/Ada Harbour - Washed Out [B0DEMO0013]", ("Some Series", "4"))
    assert (found["title"], found["authors"], found["asin"]) == ("Washed Out", ["Ada Harbour"], "B0DEMO0013")
    assert (found["series"], found["part"], found["seconds"]) == ("Some Series", "4", 0.0)
    assert brief.of_source("Dr. Who [B0DEMO0013].m4b")["title"] == "Dr. Who"
    assert brief.of_source("Vol. 2. The End")["title"]

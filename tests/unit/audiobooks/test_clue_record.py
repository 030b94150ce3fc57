"""What the sources said survives its way through the manifest."""

from dataclasses import replace
from pathlib import Path

from medialift.audiobooks import clue_record
from medialift.audiobooks.book import InSeries, Structure
from medialift.audiobooks.manifest import Conversion, Detected, Manifest, Sources, Tagging
from medialift.audiobooks.metadata.model import Clues, Metadata, Series

FREE = "----:com.apple.iTunes:"
FOLDER = Path("/converted/Book")
CLUES = Clues(
    title="The Lighthouse Ledger",
    subtitle="A Tale",
    authors=("John Smith, Jr.", "Ada Example"),
    narrators=("Cy Voice",),
    series=Series("Harbour Tales", "1.5"),
    year=2021,
    asin="B0TEST0001",
    asin_from="name",
    isbn="9780306406157",
    language="english",
    publisher="Quay Press",
    description="First.\n\nSecond.",
    other_titles=("Ledger", "The Ledger; or, Lights"),
    abridged=False,
    seconds=4000.5,
    folder=FOLDER,
    name="Book",
)


def manifest(detected=None, *, tagged=False, key="Shelf/Book", structure=Structure.FLAT, series=None):
    return Manifest(
        name="Book",
        sources=Sources(key=key, structure=structure, series=series, detected=detected or Detected()),
        conversion=Conversion(kind="converted", file="Book.m4b", seconds=4000.5),
        tagging=Tagging(metadata=Metadata(title="Before") if tagged else None),
    )


def test_what_was_detected_is_what_is_asked_for():
    record = clue_record.detected(CLUES, {"album": "The Lighthouse Ledger"})
    kept = Detected.model_validate_json(record.model_dump_json())
    assert kept == record and kept.tags == {"album": "The Lighthouse Ledger"}
    assert clue_record.clues(manifest(kept), {}, FOLDER) == CLUES


def test_the_tags_of_the_file_fill_what_the_sources_did_not_say():
    held = {"©alb": "Harbour Lights", "aART": "Ada Example", "©wrt": "Cy Voice", FREE + "ASIN": "B0TEST0002"}
    found = clue_record.clues(manifest(Detected(title="Ledger")), held, FOLDER)
    assert (found.title, found.authors, found.narrators) == ("Ledger", ("Ada Example",), ("Cy Voice",))
    assert (found.asin, found.asin_from, found.seconds) == ("B0TEST0002", "tags", 4000.5)


def test_the_tags_of_a_file_that_we_tagged_are_no_clues():
    held = {"©alb": "Wrong", FREE + "ASIN": "B0WRONG001"}
    found = clue_record.clues(manifest(tagged=True, key="Ada Example - Ledger"), held, FOLDER)
    assert found.asin == "" and "Wrong" not in (found.title, *found.other_titles)
    assert (found.title, found.authors) == ("Ledger", ("Ada Example",))


def test_the_names_in_the_inbox_and_the_series_of_its_folders_are_clues():
    found = clue_record.clues(
        manifest(
            key="Harbour Tales/Ledger.m4b",
            structure=Structure.STANDALONE,
            series=InSeries("Harbour Tales", "2"),
        ),
        {},
        FOLDER,
    )
    assert (found.title, found.series) == ("Ledger", Series("Harbour Tales", "2"))


def test_an_asin_without_a_place_is_taken_to_be_from_tags():
    record = replace(CLUES, asin_from="")
    assert clue_record.clues(manifest(clue_record.detected(record)), {}, FOLDER).asin_from == "tags"

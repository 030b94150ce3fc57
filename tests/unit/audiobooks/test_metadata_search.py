"""A whole look-up against catalogues of many alike books: what is found is the book, or nothing is."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medialift.audiobooks.metadata import Clues, Found, Metadata, Series
from medialift.audiobooks.metadata.provider import Listed, Told
from medialift.audiobooks.metadata.search import Search
from medialift.audiobooks.metadata.wording import title_words
from medialift.settings import AudiobooksSettings, TaggingSettings

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SETTINGS = AudiobooksSettings(tagging=TaggingSettings(providers=("audible",), fallback_regions=("uk",)))

TITLES = (
    "The Lighthouse Ledger",
    "The Lighthouse Ledger II",
    "The Lighthouse Ledger: Part Three",
    "The Lighthouse",
    "Ledger of the Lighthouse",
    "A Harbour in Winter",
    "Harbour Tales",
    "Harbour Tales: The Lighthouse Ledger",
)
AUTHORS = ("Ada Example", "Ida Sample", "Dan Else")
READERS = ("Ben Voice", "Cora Speaker", "Eve Tone", "Full Cast")
# Each a tenth longer than the one before: no two are one recording.
LENGTHS = tuple(round(40 * 1.1**step) for step in range(30))


class Shelf:
    """A catalogue in memory: by ASIN, and by any word in common."""

    name = "audible"

    def __init__(self, books, regions):
        self.books, self.regions = books, regions

    def by_asin(self, asin, region):
        found = [one for one in self.books if one.asin == asin and self.regions[one.asin] == region]
        return Told(replace(found[0], region=region) if found else None)

    def search(self, words, region):
        asked = set(title_words(words.get("title", "") or words.get("keywords", "")))
        return Listed(
            [
                replace(one, region=region)
                for one in self.books
                if self.regions[one.asin] == region and asked & set(title_words(one.title))
            ]
        )


@st.composite
def shelves(draw):
    """A true recording, others that are like it, and what the book at hand says of itself."""
    lengths = draw(st.lists(st.sampled_from(LENGTHS), min_size=2, max_size=7, unique=True))
    books = [
        Metadata(
            title=draw(st.sampled_from(TITLES)),
            authors=(draw(st.sampled_from(AUTHORS)),),
            narrators=(draw(st.sampled_from(READERS)),),
            series=draw(st.sampled_from([None, Series("Harbour Tales", "1"), Series("Harbour Tales", "2")])),
            asin=f"B0BOOK{at:04}",
            runtime_minutes=minutes,
        )
        for at, minutes in enumerate(lengths)
    ]
    true = books[0]
    clues = Clues(
        title=true.title,
        authors=true.authors if draw(st.booleans()) else (),
        narrators=true.narrators if draw(st.booleans()) else (),
        series=true.series if draw(st.booleans()) else None,
        seconds=true.runtime_minutes * 60 + draw(st.floats(-40, 40)) if draw(st.booleans()) else 0.0,
    )
    named = draw(st.sampled_from(["", "", *(one.asin for one in books)]))
    if named:
        clues = replace(clues, asin=named, asin_from=draw(st.sampled_from(["tags", "name"])))
    sold = books if draw(st.booleans()) else books[1:]
    regions = {one.asin: draw(st.sampled_from(["us", "uk"])) for one in books}
    return true, clues, Shelf(sold, regions)


@QUICK
@given(shelves())
def test_what_is_found_is_the_book_whatever_else_the_shops_sell(shelf):
    true, clues, catalogue = shelf
    told = Search(clues, SETTINGS, catalogue).run()
    assert told.why
    if isinstance(told, Found):
        same = next(one for one in catalogue.books if one.asin == told.metadata.asin)
        assert told.confidence >= SETTINGS.tagging.confidence
        if clues.seconds:
            assert same.asin == true.asin
        else:
            # Without a length its ASIN or its reader must have told which it is.
            assert same.asin == clues.asin or set(same.narrators) & set(clues.narrators)
    else:
        assert told.local.asin == ""
        assert set(told.local.origin.values()) <= {"book"}


@QUICK
@given(shelves())
def test_a_book_that_says_all_and_is_sold_is_found(shelf):
    true, clues, catalogue = shelf
    catalogue.books = [true, *(one for one in catalogue.books if one.asin != true.asin)]
    whole = replace(
        clues,
        authors=true.authors,
        narrators=true.narrators,
        series=true.series,
        seconds=true.runtime_minutes * 60.0,
        asin="",
    )
    told = Search(whole, SETTINGS, catalogue).run()
    assert isinstance(told, Found)
    assert told.metadata.asin == true.asin

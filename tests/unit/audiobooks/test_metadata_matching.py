"""A wrong book is never taken silently, and every decision says why."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from medialift.audiobooks.metadata import Clues, Metadata, Series
from medialift.audiobooks.metadata.matching import choose, ranked, weigh, weigh_asin
from medialift.audiobooks.metadata.wording import name_likeness, title_likeness

# No examples are timed: the machine may be busy.
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# What the settings take when nobody changes them, and what a careless person may set.
USUAL, CARELESS = 0.85, 0.55

BOOK = Metadata(
    title="The Lighthouse Ledger",
    authors=("Ada Example",),
    narrators=("Ben Voice",),
    series=Series("Harbour Tales", "2"),
    language="english",
    format="unabridged",
    asin="B0LEDGER01",
    runtime_minutes=580,
    region="us",
)
CLUES = Clues(
    title="The Lighthouse Ledger",
    authors=("Ada Example",),
    narrators=("Ben Voice",),
    series=Series("Harbour Tales", "2"),
    seconds=34_810.0,
)

WORDS = ("amber", "bridge", "cipher", "dawn", "engine", "feather", "granite", "harvest", "island", "jackal")
titles = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(lambda words: " ".join(words).title())
FIRST = ("Ada", "Ben", "Cora", "Dan", "Eve", "Fritz", "Gro", "Hana")
LAST = ("Example", "Voice", "Speaker", "Tone", "Quill", "Marlow", "Okafor", "Lindqvist")
people = st.builds(lambda first, last: f"{first} {last}", st.sampled_from(FIRST), st.sampled_from(LAST))
names = st.lists(people, min_size=1, max_size=3, unique=True).map(tuple)
maybe_names = st.one_of(st.just(()), names)
numbers = st.integers(1, 30).map(str)
series = st.one_of(st.none(), st.builds(Series, titles, numbers))
minutes = st.integers(20, 3_000)
books = st.builds(
    Metadata,
    title=titles,
    authors=names,
    narrators=maybe_names,
    series=series,
    asin=st.integers(0, 9).map(lambda digit: f"B0BOOK000{digit}"),
    runtime_minutes=st.one_of(st.none(), minutes),
    format=st.sampled_from(["", "unabridged", "abridged"]),
    language=st.sampled_from(["", "english", "german"]),
    region=st.just("us"),
)
clues = st.builds(
    Clues,
    title=titles,
    authors=maybe_names,
    narrators=maybe_names,
    series=series,
    seconds=st.one_of(st.just(0.0), minutes.map(lambda told: told * 60.0)),
    abridged=st.sampled_from([None, True, False]),
    language=st.sampled_from(["", "en", "de"]),
)


def of(book, **changes):
    """What a book of the catalogue would say of itself, with changes."""
    told = Clues(
        title=book.title,
        authors=book.authors,
        narrators=book.narrators,
        series=book.series,
        seconds=(book.runtime_minutes or 0) * 60.0,
    )
    return replace(told, **changes)


def test_a_book_that_agrees_in_everything_is_taken():
    weighed = weigh(CLUES, BOOK)
    assert weighed.confidence > 0.99
    assert weighed.why.startswith("Title, author, narrator and runtime agree (9 h 40 min against 9 h 40 min")


@QUICK
@given(books)
def test_every_book_of_the_catalogue_knows_itself(book):
    assume(book.runtime_minutes)
    assert weigh(of(book), book).confidence >= USUAL


@QUICK
@given(books, st.floats(0.12, 0.9))
def test_another_length_is_never_taken_whatever_else_agrees(book, off):
    assume(book.runtime_minutes)
    for seconds in (book.runtime_minutes * 60 * (1 - off), book.runtime_minutes * 60 / (1 - off)):
        assume(abs(seconds - book.runtime_minutes * 60) > 240)
        weighed = weigh(of(book, seconds=seconds), book)
        assert weighed.confidence < CARELESS
        assert "the runtimes differ" in weighed.why.lower()


@QUICK
@given(books, names)
def test_another_author_is_never_taken_whatever_else_agrees(book, authors):
    assume(all(name_likeness(one, other) < 0.6 for one in authors for other in book.authors))
    weighed = weigh(of(book, authors=authors), book)
    assert weighed.confidence < CARELESS
    assert f"It is by {', '.join(book.authors)}, not {', '.join(authors)}" in weighed.why


@QUICK
@given(books, names)
def test_another_reader_is_never_taken_whatever_else_agrees(book, narrators):
    assume(book.narrators)
    assume(all(name_likeness(one, other) < 0.6 for one in narrators for other in book.narrators))
    assert weigh(of(book, narrators=narrators), book).confidence < CARELESS


@QUICK
@given(books, titles)
def test_another_title_is_never_taken_whatever_else_agrees(book, title):
    book = replace(book, series=None)
    assume(title_likeness(title, book.title) < 0.7)
    assert weigh(of(book, title=title), book).confidence < CARELESS


@QUICK
@given(books, numbers, numbers)
def test_another_volume_is_never_taken_whatever_else_agrees(book, one, other):
    assume(one != other)
    book = replace(book, series=Series("Harbour Tales", one))
    told = of(book, series=Series("The Harbour Tales", f"{int(other):03}"))
    assert weigh(told, book).confidence < CARELESS
    assert f"number {one} of Harbour Tales" in weigh(told, book).why


@QUICK
@given(books, st.integers(2, 30), st.integers(2, 30))
def test_a_title_with_another_number_is_never_taken(book, one, other):
    assume(one != other)
    book = replace(book, title=f"{book.title} {one}", series=None)
    told = of(book, title=f"{book.title.rsplit(' ', 1)[0]}, Book {other}")
    assert weigh(told, book).confidence < CARELESS


@QUICK
@given(books)
def test_a_title_and_an_author_alone_prove_nothing(book):
    assert weigh(of(book, narrators=(), seconds=0.0), book).confidence < USUAL


@QUICK
@given(books)
def test_a_title_and_a_length_alone_prove_nothing(book):
    assert weigh(of(book, authors=(), narrators=()), book).confidence < USUAL


@QUICK
@given(books, st.sampled_from(["abridged", "unabridged"]))
def test_an_abridged_edition_is_never_taken_for_the_whole(book, kind):
    book = replace(book, format=kind)
    assert weigh(of(book, abridged=kind == "unabridged"), book).confidence < CARELESS


@QUICK
@given(books)
def test_an_edition_in_another_language_is_never_taken(book):
    assert weigh(of(book, language="deu"), replace(book, language="english")).confidence < CARELESS


@QUICK
@given(clues, books)
def test_confidence_and_scores_lie_between_nothing_and_certainty_and_are_explained(told, book):
    weighed = weigh(told, book)
    scores = [score for score in weighed.scores.to_dict().values() if score is not None]
    assert all(0 <= score <= 1 for score in (*scores, weighed.confidence))
    assert weighed.why.endswith(".")
    assert weighed.to_dict()["why"] == weighed.why


@QUICK
@given(clues, books)
def test_what_says_less_is_never_surer(told, book):
    whole = weigh(told, book)
    if whole.confidence >= USUAL:
        assert weigh(replace(told, title=""), book).confidence < USUAL
        assert weigh(replace(told, authors=(), narrators=()), book).confidence < USUAL


@QUICK
@given(clues, st.lists(books, max_size=6), st.floats(0.6, 1.0))
def test_what_is_chosen_is_sure_enough_and_alone_in_that(told, found, threshold):
    candidates = ranked(weigh(told, book) for book in found)
    chosen = choose(candidates, threshold)
    assert chosen.why
    if chosen.candidate is not None:
        assert chosen.candidate is candidates[0]
        assert chosen.candidate.confidence >= threshold
        near = [
            one
            for one in candidates[1:]
            if one.confidence >= threshold and chosen.candidate.confidence - one.confidence < 0.05
        ]
        assert all(sorted(one.metadata.narrators) == sorted(candidates[0].metadata.narrators) for one in near)
    elif candidates and candidates[0].confidence >= threshold:
        assert "nothing tells them apart" in chosen.why


@QUICK
@given(clues, st.lists(books, min_size=1, max_size=5), st.randoms())
def test_the_order_of_the_answers_does_not_matter_to_whether_one_is_sure(told, found, random):
    shuffled = list(found)
    random.shuffle(shuffled)
    unique = {one.asin: one for one in found}
    assume(len(unique) == len(found))
    first, second = (choose(ranked(weigh(told, one) for one in some), USUAL) for some in (found, shuffled))
    assert (first.candidate is None) == (second.candidate is None)


def test_two_recordings_that_agree_as_well_wait_for_a_person():
    other = replace(BOOK, asin="B0LEDGER09", narrators=("Cora Speaker",))
    told = replace(CLUES, narrators=())
    choice = choose(ranked([weigh(told, BOOK), weigh(told, other)]), USUAL)
    assert choice.candidate is None
    assert "B0LEDGER01" in choice.why and "B0LEDGER09" in choice.why


def test_one_recording_that_is_sold_twice_is_no_riddle():
    again = replace(BOOK, asin="B0LEDGER09", publisher="Another House")
    choice = choose(ranked([weigh(CLUES, BOOK), weigh(CLUES, again)]), USUAL)
    assert choice.candidate is not None
    assert choice.candidate.metadata.asin == "B0LEDGER01"


def test_a_book_without_candidates_says_so():
    assert choose((), USUAL).why == "The catalogue has no book of this title"


def test_a_choice_that_is_not_sure_names_the_best_candidate_and_what_is_needed():
    choice = choose(ranked([weigh(replace(CLUES, seconds=17_100.0), BOOK)]), USUAL)
    assert choice.candidate is None
    assert "“The Lighthouse Ledger” (B0LEDGER01, us) with 50%, and 85% is needed" in choice.why
    assert (
        "4 h 45 min against 9 h 40 min in the catalogue: the book may be abridged or in parts" in choice.why
    )


def test_an_asin_in_the_tags_is_believed():
    told = Clues(asin="B0LEDGER01", asin_from="tags", seconds=34_810.0)
    assert weigh_asin(told, BOOK).confidence >= 0.98
    assert weigh_asin(told, BOOK).why.startswith("The tags name the ASIN B0LEDGER01.")


def test_an_asin_outweighs_a_title_that_is_written_in_another_way():
    told = replace(CLUES, title="Ledger of the Lighthouse (Harbour 2)", asin="B0LEDGER01", asin_from="tags")
    assert weigh_asin(told, BOOK).confidence >= 0.98


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"seconds": 17_100.0}, "the runtimes differ"),
        ({"seconds": 34_800.0 * 0.94}, "the runtimes differ"),
        (
            {"title": "Cooking for Cats", "authors": ("Eve Tone",)},
            "that is “The Lighthouse Ledger” by Ada Example",
        ),
        ({"series": Series("Harbour Tales", "3")}, "it is number 2 of Harbour Tales, not 3"),
    ],
)
def test_an_asin_that_the_book_contradicts_is_not_believed(changes, why):
    weighed = weigh_asin(replace(CLUES, asin="B0LEDGER01", asin_from="tags", **changes), BOOK)
    assert weighed.confidence < CARELESS
    assert why in weighed.why


@pytest.mark.parametrize(
    ("title", "form"),
    [
        ("The Lighthouse Ledger: A Harbour Tale", {"subtitle": "A Harbour Tale"}),
        ("Lighthouse Ledger (Unabridged)", {}),
        ("Harbour Tales 2 - The Lighthouse Ledger", {}),
        ("The Lighthouse Ledger, Harbour Tales, Book 2", {}),
        ("the lighthouse ledger", {}),
    ],
)
def test_the_usual_spellings_of_one_title_agree(title, form):
    assert weigh(replace(CLUES, title=title), replace(BOOK, **form)).confidence >= USUAL


def test_a_second_reading_of_the_name_finds_the_book_that_the_first_one_misses():
    told = replace(
        CLUES, title="Harbour Tales - The Lighthouse Ledger", other_titles=("The Lighthouse Ledger",)
    )
    assert weigh(told, replace(BOOK, series=None)).confidence >= USUAL


def test_a_second_reading_never_outvotes_a_number_of_the_first():
    told = replace(
        CLUES, title="The Lighthouse Ledger 3", other_titles=("The Lighthouse Ledger",), series=None
    )
    assert weigh(told, BOOK).confidence < CARELESS


def test_a_catalogue_that_names_no_runtime_needs_the_narrator():
    silent = replace(BOOK, runtime_minutes=None)
    assert weigh(CLUES, silent).confidence >= USUAL
    assert weigh(replace(CLUES, narrators=()), silent).confidence < USUAL


def test_a_length_that_is_a_little_off_needs_the_narrator():
    told = replace(CLUES, seconds=580 * 60 * 1.035)
    assert weigh(told, BOOK).confidence >= USUAL
    assert weigh(replace(told, narrators=()), BOOK).confidence < USUAL


def test_titles_that_are_alike_in_all_but_a_word_are_two_books():
    told = replace(CLUES, title="The Lighthouse and the Storm", series=None)
    other = replace(BOOK, title="The Lighthouse and the Stone", series=None)
    assert weigh(told, other).confidence < USUAL


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ("Mistfall: The Last Lamp", Metadata(title="The Last Lamp", series=Series("Mistfall", "1"))),
        ("The Last Lamp, Book 1", Metadata(title="The Last Lamp", series=Series("Mistfall", "1"))),
        ("The Last Lamp: A Short History of Light", Metadata(title="The Last Lamp")),
        (
            "The Last Lamp: Book One of the Mistfall Archive",
            Metadata(title="The Last Lamp", subtitle="Book One of The Mistfall Archive"),
        ),
        ("Mistfall #3", Metadata(title="The Last Lamp", series=Series("Mistfall", "3"))),
        ("The Last Lamp - Mistfall 3", Metadata(title="The Last Lamp", series=Series("Mistfall", "3"))),
    ],
)
def test_titles_as_shops_and_taggers_write_them_agree(told, known):
    book = replace(BOOK, title=known.title, subtitle=known.subtitle, series=known.series)
    assert weigh(replace(CLUES, title=told, series=None), book).confidence >= USUAL


@pytest.mark.parametrize(
    ("told", "known"), [("Mistfall", "Mistfall: Book 2"), ("Mistfall: Part Three", "Mistfall: Part Two")]
)
def test_a_subtitle_that_names_a_volume_is_not_cut_off(told, known):
    book = replace(BOOK, title=known, series=None)
    assert weigh(replace(CLUES, title=told, series=None), book).confidence < CARELESS


@pytest.mark.parametrize("nobody", ["Full Cast", "Various Narrators", "Uncredited"])
def test_names_that_are_nobodys_say_nothing(nobody):
    weighed = weigh(replace(CLUES, narrators=(nobody,)), BOOK)
    assert weighed.scores.narrator is None
    assert weighed.confidence >= USUAL

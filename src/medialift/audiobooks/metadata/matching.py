"""Whether a book of a catalogue is the one at hand: weighed by what both say, and explained.

A wrong book that is taken silently does more harm than ten right ones that wait for a person. So agreement
adds up, but one clear disagreement is enough: whatever else agrees, it keeps the confidence below what any
sensible threshold takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from medialift.audiobooks.metadata.languages import language_word
from medialift.audiobooks.metadata.model import Candidate, Clues, Metadata, Scores
from medialift.audiobooks.metadata.runtimes import runtime_likeness, runtime_words, tolerance
from medialift.audiobooks.metadata.wording import (
    OTHER_NUMBER,
    name_likeness,
    part_number,
    plain_words,
    title_likeness,
    title_words,
)

_WEIGHTS = {"title": 0.40, "author": 0.25, "narrator": 0.10, "runtime": 0.25}
# The most that a candidate can have in spite of this.
_CONTRADICTED = 0.5
_UNPROVEN = 0.8
"""Title and author alone: a catalogue has several recordings of one book, and books of one name."""
_NO_RUNTIME = 0.9
_SAME_LENGTH = 0.9
_LENGTHS_DIFFER = 0.5
_CUT_TITLE = 0.92
_NAMES_AGREE = 0.8
_NAMES_DIFFER = 0.6
_TITLES_AGREE = 0.9
_TITLES_DIFFER = 0.7
_TOO_CLOSE = 0.05
# What stands for names that nobody wrote down.
_NOBODY = (
    "",
    "full cast",
    "a full cast",
    "full cast recording",
    "various",
    "various authors",
    "various artists",
    "various narrators",
    "multiple narrators",
    "uncredited",
    "unknown",
    "anonymous",
    "n a",
)


@dataclass(frozen=True)
class Choice:
    """What was chosen: None when nothing is sure enough; why, in a sentence."""

    candidate: Candidate | None
    why: str


def weigh(clues: Clues, metadata: Metadata) -> Candidate:
    """How sure it is that a book of the catalogue is the one that the clues are of, and why."""
    scores = Scores(
        title=_title_score(clues, metadata),
        author=_names_score(clues.authors, metadata.authors),
        narrator=_names_score(clues.narrators, metadata.narrators),
        runtime=_runtime_score(clues, metadata),
    )
    objections = _objections(clues, metadata, scores)
    confidence = min([_mean(scores), _most(scores), *(cap for cap, _ in objections)])
    if scores.title is not None:
        # What is barely an agreement is none: two books of one author are alike in all but a word.
        confidence *= min(1.0, scores.title / _TITLES_AGREE)
    return Candidate(metadata, scores, confidence, _why(clues, metadata, scores, objections))


def weigh_asin(clues: Clues, metadata: Metadata) -> Candidate:
    """The same for a book that was found by the ASIN that the book at hand names.

    An ASIN is as good as a name, unless the book contradicts it: then it is of another edition, or was
    written into the wrong file.
    """
    weighed = weigh(clues, metadata)
    if contradiction := _contradiction(clues, metadata, weighed.scores):
        why = f"The {_source(clues)} name the ASIN {metadata.asin}, but {contradiction}"
        return replace(weighed, confidence=min(weighed.confidence, _CONTRADICTED), why=why)
    why = f"The {_source(clues)} name the ASIN {metadata.asin}. {weighed.why}"
    return replace(weighed, confidence=max(weighed.confidence, 0.98), why=why)


def ranked(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """The most likely first; each ASIN once, as it was found first."""
    first: dict[str, Candidate] = {}
    for one in candidates:
        first.setdefault(one.metadata.asin, one)
    return tuple(sorted(first.values(), key=lambda one: -one.confidence))


def choose(candidates: Sequence[Candidate], threshold: float) -> Choice:
    """The candidate that is sure enough and alone in that, of `ranked` ones."""
    if not candidates:
        return Choice(None, "The catalogue has no book of this title")
    best = candidates[0]
    if best.confidence < threshold:
        return Choice(
            None,
            f"The best of {_count(candidates)} is {_named(best.metadata)} with {best.confidence:.0%}, "
            f"and {threshold:.0%} is needed. {best.why}",
        )
    rivals = [
        one
        for one in candidates[1:]
        if one.confidence >= threshold
        and best.confidence - one.confidence < _TOO_CLOSE
        and not _same_recording(best.metadata, one.metadata)
    ]
    if rivals:
        others = " and ".join(_named(one.metadata) for one in rivals[:3])
        return Choice(None, f"{_named(best.metadata)} is as likely as {others}: nothing tells them apart")
    return Choice(best, best.why)


def _title_score(clues: Clues, metadata: Metadata) -> float | None:
    told = [one for one in (clues.title, *clues.other_titles) if title_words(one)]
    if not told or not title_words(metadata.title):
        return None
    forms = _forms(metadata)
    scores = [
        max(worth * price * title_likeness(own, form) for own, price in _cut(one) for form, worth in forms)
        for one in told
    ]
    # A second reading of the names may find the book, but never outvotes a number that the first one has.
    numbered = any(word[0].isdigit() for word in title_words(told[0]))
    return scores[0] if numbered and scores[0] <= OTHER_NUMBER else max(scores)


def _forms(metadata: Metadata) -> list[tuple[str, float]]:
    """How one book may be called, and what such a name is worth: all books of a series share its name."""
    title, forms = metadata.title, _cut(metadata.title)
    if metadata.subtitle:
        forms.append((f"{title} {metadata.subtitle}", 1.0))
    for one in filter(None, (metadata.series, *metadata.more_series)):
        if one.part:
            forms += [
                (f"{title} book {one.part}", 1.0),
                (f"{title} {one.name} book {one.part}", 1.0),
                (f"{one.name} {one.part} {title}", 1.0),
                (f"{one.name} book {one.part} {title}", 1.0),
                (f"{one.name} book {one.part}", _CUT_TITLE),
            ]
        forms.append((f"{one.name} {title}", 1.0))
    return [(form, worth) for form, worth in forms if title_words(form)]


def _cut(title: str) -> list[tuple[str, float]]:
    """A title, and what it is without its subtitle. One that holds a number tells a volume, and stays."""
    head, _, tail = title.partition(":")
    if not tail or not title_words(head) or any(word[0].isdigit() for word in title_words(tail)):
        return [(title, 1.0)]
    return [(title, 1.0), (head, _CUT_TITLE)]


def _names_score(told: Sequence[str], known: Sequence[str]) -> float | None:
    told, known = _people_named(told), _people_named(known)
    if not told or not known:
        return None
    # A tag may name the translator as well, a catalogue the whole cast: one agreement is enough.
    return max(name_likeness(one, other) for one in told for other in known)


def _people_named(names: Sequence[str]) -> list[str]:
    return [one for one in names if " ".join(plain_words(one)) not in _NOBODY]


def _runtime_score(clues: Clues, metadata: Metadata) -> float | None:
    if clues.seconds <= 0 or not metadata.runtime_minutes:
        return None
    return runtime_likeness(clues.seconds, metadata.runtime_minutes)


def _mean(scores: Scores) -> float:
    known = {name: score for name, score in scores.to_dict().items() if score is not None}
    total = sum(_WEIGHTS[name] for name in known)
    return sum(_WEIGHTS[name] * score for name, score in known.items()) / total if total else 0.0


def _most(scores: Scores) -> float:
    """The most that this much evidence can prove, whatever it says."""
    if scores.title is None:
        return _CONTRADICTED
    if scores.author is None and scores.narrator is None:
        # Many books are called "Home", and one of ten is as long as this one.
        return _UNPROVEN
    if scores.runtime is None:
        return _NO_RUNTIME if scores.author is not None and scores.narrator is not None else _UNPROVEN
    # Two readers of one book need about as long as each other.
    return _UNPROVEN if scores.narrator is None and scores.runtime < _SAME_LENGTH else 1.0


def _objections(clues: Clues, metadata: Metadata, scores: Scores) -> list[tuple[float, str]]:
    """What speaks against it: (the most that it can have, why)."""
    found = []
    if scores.title is not None and scores.title < _TITLES_DIFFER:
        found.append((_CONTRADICTED, f"its title is “{metadata.title}”, not “{clues.title}”"))
    if scores.author is not None and scores.author < _NAMES_DIFFER:
        found.append((_CONTRADICTED, f"it is by {_people(metadata.authors)}, not {_people(clues.authors)}"))
    if scores.narrator is not None and scores.narrator < _NAMES_DIFFER:
        told = f"it is read by {_people(metadata.narrators)}, not {_people(clues.narrators)}"
        found.append((_CONTRADICTED, told))
    if scores.runtime is not None and scores.runtime < _LENGTHS_DIFFER and metadata.runtime_minutes:
        told = f"the runtimes differ: {runtime_words(clues.seconds, metadata.runtime_minutes)}"
        found.append((_CONTRADICTED, told))
    if contradiction := _other_volume(clues, metadata):
        found.append((_CONTRADICTED, contradiction))
    if contradiction := _other_edition(clues, metadata):
        found.append((_CONTRADICTED, contradiction))
    return found


def _contradiction(clues: Clues, metadata: Metadata, scores: Scores) -> str:
    """What an ASIN cannot outweigh; "" when there is nothing."""
    if scores.runtime is not None and scores.runtime < _LENGTHS_DIFFER and metadata.runtime_minutes:
        return f"the runtimes differ: {runtime_words(clues.seconds, metadata.runtime_minutes)}"
    titles, authors = scores.title, scores.author
    if titles is not None and titles < _NAMES_DIFFER and (authors is None or authors < _NAMES_DIFFER):
        return f"that is “{metadata.title}” by {_people(metadata.authors)}"
    return _other_volume(clues, metadata)


def _other_volume(clues: Clues, metadata: Metadata) -> str:
    """Whether both have a place in one series, and it is not the same."""
    if clues.series is None or not part_number(clues.series.part):
        return ""
    for one in filter(None, (metadata.series, *metadata.more_series)):
        same = title_likeness(one.name, clues.series.name) >= _TITLES_AGREE
        if same and part_number(one.part) and part_number(one.part) != part_number(clues.series.part):
            return f"it is number {one.part} of {one.name}, not {clues.series.part}"
    return ""


def _other_edition(clues: Clues, metadata: Metadata) -> str:
    told, known = language_word(clues.language), language_word(metadata.language)
    if told and known and told != known:
        return f"it is in {known.capitalize()}, not {told.capitalize()}"
    if clues.abridged is not None and metadata.format in ("abridged", "unabridged"):
        wanted = "abridged" if clues.abridged else "unabridged"
        if metadata.format != wanted:
            return f"it is the {metadata.format} edition, not the {wanted} one"
    return ""


def _same_recording(one: Metadata, other: Metadata) -> bool:
    """Whether two entries are one recording that is sold twice: what is written is the same then."""
    if not one.runtime_minutes or not other.runtime_minutes or not one.narrators:
        return False
    near = abs(one.runtime_minutes - other.runtime_minutes) * 60 <= tolerance(one.runtime_minutes * 60)
    readers = sorted(map(str.casefold, one.narrators)) == sorted(map(str.casefold, other.narrators))
    return (
        near
        and readers
        and title_likeness(one.title, other.title) == 1.0
        and one.format == other.format
        and one.language == other.language
        and (one.series is None or other.series is None or one.series.part == other.series.part)
    )


def _why(clues: Clues, metadata: Metadata, scores: Scores, objections: Sequence[tuple[float, str]]) -> str:
    if objections:
        told = "; ".join(why for _, why in objections)
        return f"{told[0].upper()}{told[1:]}."
    agree = [
        name
        for name, score, enough in (
            ("title", scores.title, _TITLES_AGREE),
            ("author", scores.author, _NAMES_AGREE),
            ("narrator", scores.narrator, _NAMES_AGREE),
            ("runtime", scores.runtime, 1.0),
        )
        if score is not None and score >= enough
    ]
    nearly = [
        f"{name} nearly ({score:.0%})"
        for name, score in scores.to_dict().items()
        if score is not None and name not in agree
    ]
    unknown = [name for name, score in scores.to_dict().items() if score is None]
    sentence = f"{_listed(agree).capitalize()} {'agree' if len(agree) > 1 else 'agrees'}" if agree else ""
    pieces = [one for one in (sentence, f"{_listed(nearly)} agrees" if nearly else "") if one]
    told = ", ".join(pieces) or "Nothing agrees"
    if scores.runtime is not None and metadata.runtime_minutes:
        told += f" ({runtime_words(clues.seconds, metadata.runtime_minutes)})"
    if unknown:
        told += f"; {_listed(unknown)} cannot be compared"
    return f"{told[0].upper()}{told[1:]}."


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""


def _people(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown or "nobody"


def _named(metadata: Metadata) -> str:
    return f"“{metadata.title}” ({metadata.asin}, {metadata.region})"


def _count(candidates: Sequence[Candidate]) -> str:
    return "1 candidate" if len(candidates) == 1 else f"{len(candidates)} candidates"


def _source(clues: Clues) -> str:
    return {"name": "names of the book", "tags": "tags"}.get(clues.asin_from, "fields given by a person")

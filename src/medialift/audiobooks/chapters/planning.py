"""Where the chapters of a book begin and what they are called: from all that speaks of them, by one order.

What decides where chapters begin (the first that speaks):

1. a list beside the book (chapters.txt), then lists and cue sheets of single parts;
2. chapters that the parts bring along, also as marks of lending libraries; a part without any is one chapter;
3. Audnexus, when nothing above says more than where files begin, and those carry no titles.

What they are called (the first that tells them apart):

1. what lies beside the sound: chapters.txt, cue sheets;
2. the names of the files, when `filenames_as_chapters` is set;
3. Audnexus, when `audnexus_chapters` is set, the runtime agrees and it has as many chapters;
4. titles of chapters that the parts bring along;
5. the tags of the parts, unless all are alike or only count;
6. the names of the files, without what they share;
7. "Chapter 1", "Chapter 2", …

A title that is missing in its source is taken from the next. All times are in samples of the finished book,
by the decoded lengths of its parts; no length of a header is used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

from medialift.audiobooks.book import Book
from medialift.audiobooks.chapter import Chapter
from medialift.audiobooks.chapters import beside, markers, titles
from medialift.audiobooks.chapters.beside import CHAPTERS_TXT, CUE_SHEET, Beside
from medialift.audiobooks.chapters.mark import Mark
from medialift.audiobooks.metadata.audnexus import ChapterTitles
from medialift.audiobooks.silence import Silence, split
from medialift.audiobooks.source import Source
from medialift.settings import AudiobooksSettings

AUDNEXUS = "audnexus"
EMBEDDED, TAGS, FILE_NAMES, NUMBERS = "embedded chapters", "tags", "file names", "numbers"

# Audible's edition has its own intro and outro; another narration differs by far more than a hundredth.
_TITLES_AGREE = 0.01
_TITLES_AGREE_SECONDS = 10.0
# Its times are taken only for the very same recording.
_TIMES_AGREE_SECONDS = 2.0
# Nobody makes a chapter shorter than this; two marks so close are one.
_SHORTEST_SECONDS = Fraction(1, 4)
# A list whose first chapter begins a little late means the beginning; later there is something in front.
_LATE_BEGIN_SECONDS = 5


@dataclass(frozen=True)
class ChapterPlan:
    """The chapters of a book, without a gap from its first sample to its last.

    Attributes:
        titles_from: what most of the titles come from: one of the names above.
        notes: what was found and could not be used, a sentence each.
        split: how many chapters were made of those that were too long.
    """

    chapters: tuple[Chapter, ...]
    titles_from: str
    notes: tuple[str, ...] = ()
    split: int = 0


def plan(
    book: Book,
    sources: Sequence[Source],
    samples: Sequence[int],
    rate: int,
    settings: AudiobooksSettings,
    *,
    audnexus: ChapterTitles | None = None,
    silences: Callable[[], Sequence[Silence]] | Sequence[Silence] | None = None,
) -> ChapterPlan:
    """The chapters of a book.

    Args:
        sources, samples: of each part of the book, in its order; samples as decoded, at `rate` (Hz).
        audnexus: the chapters that Audnexus has for this book, if it is known which it is.
        silences: of the finished sound, or what finds them: asked only when a chapter is too long.
    """
    if len(sources) != len(samples) or len(book.parts) != len(samples):
        raise ValueError("A book has as many sources and lengths as parts")
    total = sum(samples)
    found = beside.find(book)
    notes = list(found.notes)
    by_tags = [source.tags.get("title", "") for source in sources]
    by_names = titles.from_names([Path(part.name).stem for part in book.parts])
    heard = _agreeing(audnexus, total / rate, notes) if settings.audnexus_chapters else _Heard()

    begins = _begins(found, sources, samples, rate, notes)
    counted_only = len(samples) == 1 or not (titles.telling(by_tags) or any(by_names))
    if heard.times and counted_only and not settings.filenames_as_chapters and _only_parts(begins):
        begins = [_Begin(round(start * rate), -1, title, AUDNEXUS) for start, title in heard.times]
    begins = _apart(begins, total, round(_SHORTEST_SECONDS * rate))

    columns = _columns(begins, found, heard, by_tags, by_names, book, settings, notes)
    chosen = [
        next(((one[at], name) for name, one in columns if one[at]), ("", NUMBERS))
        for at in range(len(begins))
    ]
    ends = [*(one.start for one in begins[1:]), total]
    chapters = [
        Chapter(one.start, end, titles.fitting(title) or titles.numbered(number))
        for number, (one, end, (title, _)) in enumerate(zip(begins, ends, chosen, strict=True), start=1)
    ]
    whole = len(chapters)
    longest = round(float(settings.longest_chapter) * rate)
    if longest and any(one.end - one.start > longest for one in chapters):
        quiet = silences() if callable(silences) else silences or ()
        wanted = round(float(settings.wanted_chapter) * rate)
        chapters = split(chapters, quiet, rate, longest=longest, wanted=wanted)
        if all(one.end - one.start > longest for one in chapters):
            notes.append("No silence was found at which the long chapters could be split")
    titles_from = Counter(name for _, name in chosen).most_common(1)[0][0]
    return ChapterPlan(tuple(chapters), titles_from, tuple(notes), len(chapters) - whole)


@dataclass(frozen=True)
class _Begin:
    """A chapter begins at this sample, in this part, by this source (None: the part itself begins)."""

    start: int
    part: int
    title: str = ""
    by: str | None = None


@dataclass(frozen=True)
class _Heard:
    """What of Audnexus agrees with the sound: its titles, and also its times (seconds of this recording)."""

    titles: tuple[str, ...] = ()
    times: tuple[tuple[float, str], ...] = ()


def _agreeing(theirs: ChapterTitles | None, seconds: float, notes: list[str]) -> _Heard:
    if theirs is None or not theirs.chapters:
        return _Heard()
    # Other editions lack Audible's own words at both ends: then all of its times are later by its intro.
    bare = theirs.seconds - theirs.intro - theirs.outro
    apart, early = min((abs(theirs.seconds - seconds), 0.0), (abs(bare - seconds), theirs.intro))
    if apart > max(_TITLES_AGREE_SECONDS, _TITLES_AGREE * seconds):
        notes.append(
            f"Audnexus knows a recording of {theirs.seconds:.0f} s, and this one has {seconds:.0f} s"
        )
        return _Heard()
    times = tuple((max(0.0, one.start - early), one.title) for one in theirs.chapters)
    rising = all(one < other for (one, _), (other, _) in pairwise(times))
    same = theirs.accurate and apart <= _TIMES_AGREE_SECONDS and rising and times[-1][0] < seconds
    return _Heard(tuple(title for _, title in times), times if same else ())


def _begins(
    found: Beside, sources: Sequence[Source], samples: Sequence[int], rate: int, notes: list[str]
) -> list[_Begin]:
    total = sum(samples)
    whole = found.whole.marks if found.whole is not None else ()
    # Its marks lie in no single part.
    if begins := _within(whole, -1, 0, total, rate, CHAPTERS_TXT, notes):
        return begins
    begins = []
    offsets = [0, *accumulate(samples)]
    told = 0  # the parts before this one have their chapters
    for part, source in enumerate(sources):
        offset = offsets[part]
        if part >= told and (one := found.stretches.get(part)):
            inside = part if one.after == part + 1 else -1
            length = offsets[one.after] - offset
            if within := _within(one.marks, inside, offset, length, rate, one.by, notes):
                begins += within
                told = one.after
        if part >= told:
            inner = [Mark(Fraction(chapter.start), chapter.title) for chapter in source.chapters]
            marked = [] if inner else markers.read(source.tags)
            within = _within(inner or marked, part, offset, samples[part], rate, EMBEDDED, notes)
            goes_on = marked and within and begins and within[0].title == begins[-1].title
            begins += within[1:] if goes_on else within or [_Begin(offset, part)]
    return begins


def _within(
    marks: Sequence[Mark], part: int, offset: int, length: int, rate: int, by: str, notes: list[str]
) -> list[_Begin]:
    """Where chapters begin in a stretch; nothing when the list speaks of a longer recording than this."""
    starts = [round(one.seconds * rate) for one in marks]
    if not starts:
        return []
    if max(starts) >= length:
        late = sum(start >= length for start in starts)
        notes.append(
            f"{by}: {late} of {len(starts)} chapters begin behind the end of the sound, so none is used"
        )
        return []
    begins = [_Begin(offset + start, part, one.title, by) for start, one in zip(starts, marks, strict=True)]
    if starts[0] <= _LATE_BEGIN_SECONDS * rate:
        return [replace(begins[0], start=offset), *begins[1:]]
    return [_Begin(offset, part, "", by), *begins]


def _apart(begins: Sequence[_Begin], total: int, shortest: int) -> list[_Begin]:
    """Without those that end as soon as they begin: what is heard there belongs to the one that follows."""
    kept: list[_Begin] = []
    for one in sorted(begins, key=lambda begin: begin.start):
        if kept and total - one.start < shortest:
            continue
        if kept and one.start - kept[-1].start < shortest:
            kept.pop()
        kept.append(one if kept else replace(one, start=0))
    return kept


def _columns(
    begins: Sequence[_Begin],
    found: Beside,
    heard: _Heard,
    by_tags: Sequence[str],
    by_names: Sequence[str],
    book: Book,
    settings: AudiobooksSettings,
    notes: list[str],
) -> list[tuple[str, Sequence[str]]]:
    """(what it comes from, a title or "" for each chapter), in the order in which they are asked."""
    none = [""] * len(begins)
    several = Counter(one.part for one in begins)

    def of_parts(given: Sequence[str]) -> list[str]:
        return [given[one.part] if one.part >= 0 and several[one.part] == 1 else "" for one in begins]

    def by(name: str) -> list[str]:
        return [one.title if one.by == name else "" for one in begins]

    listed = none
    if found.whole is not None and found.whole.titles:
        if len(found.whole.titles) == len(begins):
            listed = list(found.whole.titles)
        else:
            notes.append(f"chapters.txt has {len(found.whole.titles)} titles for {len(begins)} chapters")
    audnexus = by(AUDNEXUS)
    if heard.titles and not any(audnexus):
        if len(heard.titles) == len(begins):
            audnexus = list(heard.titles)
        else:
            notes.append(f"Audnexus has {len(heard.titles)} chapters, and this book has {len(begins)}")
    raw = [Path(part.name).stem for part in book.parts]
    embedded = by(EMBEDDED)
    inner = [one.title for one in begins if one.by == EMBEDDED]
    return [
        (CHAPTERS_TXT, listed),
        (CHAPTERS_TXT, by(CHAPTERS_TXT)),
        (CUE_SHEET, by(CUE_SHEET)),
        (
            FILE_NAMES,
            of_parts(by_names if any(by_names) else raw) if settings.filenames_as_chapters else none,
        ),
        (AUDNEXUS, audnexus),
        (EMBEDDED, embedded if titles.telling(inner) else none),
        (TAGS, of_parts(by_tags) if titles.telling(by_tags) else none),
        (FILE_NAMES, of_parts(by_names)),
    ]


def _only_parts(begins: Sequence[_Begin]) -> bool:
    return all(one.by is None for one in begins)

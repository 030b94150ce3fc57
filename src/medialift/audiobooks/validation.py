"""Whether a tagged book is what the manifest expects: what is missing or contradicts it needs a person."""

from __future__ import annotations

from collections.abc import Mapping

from medialift.audiobooks import overrides
from medialift.audiobooks import tags as atoms
from medialift.audiobooks.manifest import Manifest, Need, NeedCode
from medialift.audiobooks.metadata.model import Metadata
from medialift.audiobooks.metadata.runtimes import runtime_likeness, runtime_words

# What a header may round; the exact length was proven at the conversion.
_DURATION_SECONDS = 0.5
_TELLING = ("\xa9alb", "aART", "\xa9wrt", atoms.FREEFORM + "ASIN")
_CRITICAL: Mapping[str, tuple[NeedCode, str, str]] = {
    "title": ("missing_title", "\xa9nam", "a title"),
    "authors": ("missing_author", "aART", "an author"),
    "narrators": ("missing_narrator", "\xa9wrt", "a narrator"),
    "asin": ("missing_asin", atoms.FREEFORM + "ASIN", "an ASIN"),
}


def check(manifest: Manifest, known: Metadata, held: atoms.Tags, seconds: float) -> tuple[Need, ...]:
    """What a person must look at; nothing when all is well.

    Args:
        manifest: with the override that holds now. What it says is empty is not missed.
        known: which book it is. held: what the file now holds.
        seconds: length of the file as its headers now say.
    """
    return (*_missing(manifest, held, seconds), *_different(known, held), *_contradicting(manifest, known))


def _missing(manifest: Manifest, held: atoms.Tags, seconds: float) -> list[Need]:
    emptied = overrides.emptied(manifest.override)
    needs = [
        Need(code=code, text=f"The book has no tag of {what}: say it (or that there is none) by an override")
        for attribute, (code, atom, what) in _CRITICAL.items()
        if atom not in held and attribute not in emptied
    ]
    expected = manifest.conversion.seconds
    if seconds <= 0 or expected <= 0:
        needs.append(
            Need(code="missing_duration", text="How long the book is, is not known: convert it again")
        )
    elif abs(seconds - expected) > _DURATION_SECONDS:
        told = f"The file is {seconds:.1f} s long, and {expected:.1f} s were converted: convert it again"
        needs.append(Need(code="missing_duration", text=told))
    return needs


def _different(known: Metadata, held: atoms.Tags) -> list[Need]:
    """The fields that say which book it is must be those of the one that was found, whoever wrote them."""
    wanted = {atom: text for atom, text in atoms.wanted(known, "both").items() if atom in _TELLING}
    fields = [one.field for one in atoms.changes({atom: held.get(atom, "") for atom in wanted}, wanted)]
    if not fields:
        return []
    told = f"The file does not hold what was found of {', '.join(fields)}: look at it, and tag it again"
    return [Need(code="tags_differ", text=told)]


def _contradicting(manifest: Manifest, known: Metadata) -> list[Need]:
    needs = []
    detected = manifest.sources.detected.asin
    # Who wrote a file beside the book knows better than its tags.
    said = "asin" in manifest.override or known.origin.get("asin") in ("metadata_yml", "opf")
    if detected and known.asin and detected != known.asin and not said:
        told = (
            f"The sources say ASIN {detected}, and {known.asin} was found: say the right one by an override"
        )
        needs.append(Need(code="asin_differs", text=told))
    seconds, minutes = manifest.conversion.seconds, known.runtime_minutes
    said = "runtime_minutes" in manifest.override
    if seconds and minutes and not said and runtime_likeness(seconds, minutes) == 0.0:
        told = (
            f"The length differs ({runtime_words(seconds, minutes)}): say which book it is, or "
            "runtime_minutes, by an override"
        )
        needs.append(Need(code="runtime_differs", text=told))
    return needs

"""An example of a plug-in: what your export of Goodreads says of a book goes into its tags and manifest.

Goodreads has no API any more, but everybody can export their library ("My Books", "Import and export"). Put
the file `goodreads_library_export.csv` beside this one.
"""

import csv
import re
import unicodedata
from pathlib import Path

from medialift.audiobooks.plugins import hookimpl

# The version of the hooks that this is written for; another one is refused instead of misunderstood.
API = 1

EXPORT = Path(__file__).with_name("goodreads_library_export.csv")
# Shelves that every account has: what one did with a book, not what it is.
_NO_GENRES = {"read", "to-read", "currently-reading", "owned", "favorites"}


@hookimpl
def enrich_metadata(metadata):
    """Add shelves as genres, and the ISBN and the rating where nobody else knew them."""
    row = _row(metadata.get("title", ""), metadata.get("authors", []))
    if row is None:
        return None
    known = list(metadata.get("genres", []))
    wanted = {"genres": known + [one for one in _shelves(row) if one not in known]}
    if not metadata.get("isbn") and _isbn(row):
        wanted["isbn"] = _isbn(row)
    if metadata.get("rating") is None and row["Average Rating"]:
        wanted["rating"] = float(row["Average Rating"])
    return wanted


@hookimpl
def manifest_fields(manifest):
    """Keep what only this person knows: their own stars and shelves."""
    known = manifest["tagging"].get("metadata") or {}
    row = _row(known.get("title", ""), known.get("authors", []))
    if row is None:
        return None
    return {"id": row["Book Id"], "my_rating": int(row["My Rating"] or 0), "shelves": _shelves(row)}


def _row(title, authors):
    """The line of the export for this title by one of these authors."""
    if not title or not EXPORT.exists():
        return None
    with EXPORT.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            # Goodreads writes the series behind the title: "The Sea (Harbour Tales, #1)".
            same_title = _plain(re.sub(r"\s*\(.*\)$", "", row["Title"])) == _plain(title)
            if same_title and _plain(row["Author"]) in {_plain(author) for author in authors}:
                return row
    return None


def _shelves(row):
    shelves = [one.strip() for one in (row["Bookshelves"] or "").split(",")]
    return [one.replace("-", " ").capitalize() for one in shelves if one and one not in _NO_GENRES]


def _isbn(row):
    return re.sub(r"[^0-9X]", "", row["ISBN13"] or row["ISBN"] or "")


def _plain(text):
    """Letters and digits only, small and without accents."""
    return "".join(one for one in unicodedata.normalize("NFKD", text).casefold() if one.isalnum())

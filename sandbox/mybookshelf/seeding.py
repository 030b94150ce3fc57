"""A server that has many books already: rows without files, for whoever learns what it has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from .names import Shelved, folded, words_of
from .store import Store, now

_AUTHORS = 1000
_CHUNK = 5000


def seeded(number: int) -> tuple[str, int]:
    """The sha1 and the size in bytes of the content of seeded source `number`, from 1."""
    content = f"seeded {number}".encode()
    return hashlib.sha1(content).hexdigest(), len(content)


async def seed(store: Store, books: int) -> None:
    """Add so many books, called `Seeded N`, by one of a thousand authors `Seeder, N`, with one EPUB each."""
    authors = {}
    for number in range(min(books, _AUTHORS)):
        authors[number] = await store.value(
            "insert into author (created, modified, last_name, first_name) values (?, ?, 'Seeder', ?) "
            "returning id",
            *(now(), now(), str(number)),
        )
    for chunk in _chunks(range(1, books + 1)):
        stamp = now()
        titles = {number: f"Seeded {number}" for number in chunk}
        folders = {
            number: Shelved(title, "en", [("Seeder", str(number % len(authors)))], None, None).name()
            for number, title in titles.items()
        }
        ids = {}
        async with store.transaction() as cursor:
            for number, title in titles.items():
                # One by one: the ids have to be those that the database gives out.
                ids[number] = await cursor.value(
                    "insert into ebook (created, modified, created_by_id, title, language_id, base_dir) "
                    "values (?, ?, 1, ?, 2, ?) returning id",
                    *(stamp, stamp, title, folders[number].rpartition("/")[0]),
                )
            await cursor.many(
                "insert into ebook_authors (ebook_id, author_id) values (?, ?)",
                [(ids[number], authors[number % len(authors)]) for number in chunk],
            )
            await cursor.many(
                "insert into standin_title (ebook_id, title) values (?, ?)",
                [(ids[number], folded(title)) for number, title in titles.items()],
            )
            await cursor.many(
                "insert into source (created, modified, created_by_id, ebook_id, location, load_source, "
                "format_id, hash, size) values (?, ?, 1, ?, ?, 'seeded.epub', 8, ?, ?)",
                [(stamp, stamp, ids[n], f"{folders[n]}.epub", *seeded(n)) for n in chunk],
            )
            for number, title in titles.items():
                words = words_of(f"{number % len(authors)} Seeder {title}")
                await store.index_words(cursor, ids[number], words)


def _chunks(numbers: range) -> Iterator[range]:
    for start in range(0, len(numbers), _CHUNK):
        yield numbers[start : start + _CHUNK]

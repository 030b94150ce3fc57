"""What is in the server in the end: the numbers a migration is judged by."""

from __future__ import annotations

from typing import Any

from .server import Server


async def facts(server: Server) -> dict[str, Any]:
    """Counts of everything, and of what should not be there.

    `orphan_ebooks` have no source; `duplicate_sources` are the sources beyond the first of the same hash and
    size; `duplicate_ebooks` the books beyond the first of the same title and authors; `leftover_folders` are
    folders of uploads that no upload row names; `missing_files` are sources whose file is not there.
    """
    store = server.store
    found: dict[str, Any] = {}
    tables = {"ebooks": "ebook", "sources": "source", "uploads": "upload", "authors": "author"}
    for name, table in (tables | {"series": "series"}).items():
        found[name] = await store.value(f"select count(*) from {table}")
    found["orphan_ebooks"] = await store.value(
        "select count(*) from ebook e where not exists (select 1 from source s where s.ebook_id = e.id)"
    )
    distinct = await store.value("select count(*) from (select distinct hash, size from source) d")
    found["duplicate_sources"] = found["sources"] - distinct
    books = await contents(server)
    distinct_books = {(book["title"], *sorted(book["authors"])) for book in books}
    found["duplicate_ebooks"] = len(books) - len(distinct_books)
    named = {row[0].split("/")[0] for row in await store.rows("select file from upload")}
    found["leftover_folders"] = sum(
        folder.is_dir() and folder.name not in named for folder in server.uploads.iterdir()
    )
    locations = await store.rows("select location from source")
    found["missing_files"] = sum(not (server.books / row[0]).is_file() for row in locations)
    return found


async def contents(server: Server) -> list[dict[str, Any]]:
    """Every book with its authors ("Last, First") and its sources, by id."""
    books: dict[int, dict[str, Any]] = {}
    for number, title, language, series, index in await server.store.rows(
        "select e.id, e.title, l.code, s.title, e.series_index from ebook e "
        "join language l on l.id = e.language_id left join series s on s.id = e.series_id order by e.id"
    ):
        books[number] = {"id": number, "title": title, "language": language, "series": series}
        books[number] |= {"series_index": index, "authors": [], "genres": [], "sources": []}
    for number, last, first in await server.store.rows(
        "select l.ebook_id, a.last_name, a.first_name from ebook_authors l "
        "join author a on a.id = l.author_id order by a.id"
    ):
        books[number]["authors"].append(f"{last}, {first}" if first else last)
    for number, name in await server.store.rows(
        "select l.ebook_id, g.name from ebook_genres l join genre g on g.id = l.genre_id order by g.id"
    ):
        books[number]["genres"].append(name)
    names = ("id", "format", "size", "hash", "load_source", "location")
    for number, *source in await server.store.rows(
        "select s.ebook_id, s.id, f.extension, s.size, s.hash, s.load_source, s.location from source s "
        "join format f on f.id = s.format_id order by s.id"
    ):
        books[number]["sources"].append(dict(zip(names, source, strict=True)))
    return list(books.values())

"""A million books in seconds: the rows are made by SQLite itself, from lists of words, before any index."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sandbox.calibre import content, schema

# (as people write it, as Calibre names files)
_FIRST = (
    ("Anna", "Anna"), ("Лев", "Lev"), ("John", "John"), ("Фёдор", "Fiodor"), ("Mary", "Mary"),
    ("Karel", "Karel"), ("Ольга", "Olga"), ("José", "Jose"), ("Иван", "Ivan"), ("Zoë", "Zoe"),
    ("Michael", "Michael"), ("Елена", "Elena"),
)  # fmt: skip
_LAST = (
    ("Karenina", "Karenina"), ("Толстой", "Tolstoi"), ("Smith", "Smith"), ("Достоевский", "Dostoevskii"),
    ("Shelley", "Shelley"), ("Čapek", "Capek"), ("Берггольц", "Berggolts"), ("Saramago", "Saramago"),
    ("Тургенев", "Turgenev"), ("O'Brien", "O'Brien"), ("Ende", "Ende"), ("Петрова", "Petrova"),
    ("van der Berg", "van der Berg"),
)  # fmt: skip
_ADJECTIVES = (
    ("Silent", "Silent"), ("Тихая", "Tikhaia"), ("Broken", "Broken"), ("Зимняя", "Zimniaia"),
    ("Last", "Last"), ("Старая", "Staraia"), ("Golden", "Golden"), ("Далёкая", "Daliokaia"),
    ("Hidden", "Hidden"),
    ("Žlutá", "Zluta"),
)  # fmt: skip
_NOUNS = (
    ("River", "River"), ("река", "reka"), ("House", "House"), ("дорога", "doroga"), ("Garden", "Garden"),
    ("война", "voina"), ("Night", "Night"), ("звезда", "zvezda"), ("Letter", "Letter"), ("книга", "kniga"),
    ("Sea", "Sea"),
)  # fmt: skip
_LANGUAGES = ("rus", "eng", "ces", "ukr", "deu", "fra")
_TAGS = (
    "Fiction", "Science fiction", "Детектив", "History", "Poetry", "Фантастика", "Computers", "Biography",
    "Children", "Классика", "Fantasy", "Cooking", "Travel", "Философия",
)  # fmt: skip

_NUMBERS = "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {count})"
_SECOND = "strftime('%Y-%m-%d %H:%M:%S', 1420070400 + {n} * 61, 'unixepoch')"
_MOMENT = _SECOND + " || printf('.%06d+00:00', {n} % 1000000)"


def fill(folder: Path, books: int, *, files: bool = False) -> Path:
    """A new library of so many books (ids 1 to `books`) in `folder`; return its metadata.db.

    Each book has one to four formats, most 1.5: EPUB nearly all. Every row follows from its number, so two
    libraries of the same size are alike, but for their own uuid.

    Args:
        files: also the book files: tiny ones, each content its own but for every 25th book, whose EPUB is
            that of the book before it, if that has one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / schema.DATABASE
    schema.create(database)
    con = schema.connect(database)
    try:
        for pragma in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "locking_mode = EXCLUSIVE",
            "cache_size = -200000",
        ):
            con.execute(f"PRAGMA {pragma}").fetchall()
        con.execute("BEGIN")
        for name, words in (("first", _FIRST), ("last", _LAST), ("adjective", _ADJECTIVES), ("noun", _NOUNS)):
            con.execute(f"CREATE TEMP TABLE {name}(id INTEGER PRIMARY KEY, word TEXT, plain TEXT)")
            con.executemany(
                f"INSERT INTO {name} VALUES (?, ?, ?)", [(at, *word) for at, word in enumerate(words)]
            )
        con.executemany("INSERT INTO languages(lang_code) VALUES (?)", [(code,) for code in _LANGUAGES])
        con.executemany("INSERT INTO tags(name) VALUES (?)", [(tag,) for tag in _TAGS])
        con.executemany("INSERT INTO ratings(rating) VALUES (?)", [(stars,) for stars in range(2, 11, 2)])
        for statement in _statements(books):
            con.execute(statement)
        if files:
            _write_files(con, folder)
        con.execute("COMMIT")
    finally:
        con.close()
    schema.finish(database)
    return database


def _statements(books: int) -> list[str]:
    authors, series, publishers = max(1, books // 4), max(1, books // 20), max(1, min(500, books // 10))
    per_name = len(_FIRST) * len(_LAST)
    per_title = len(_ADJECTIVES) * len(_NOUNS)
    each = _NUMBERS.format(count=books)
    numbered = "CASE WHEN {n} >= {per} THEN ' ' || ({n} / {per} + 1) ELSE '' END"
    author_number = numbered.format(n="n", per=per_name)
    title_number = numbered.format(n="n", per=per_title)
    return [
        "CREATE TEMP TABLE person(id INTEGER PRIMARY KEY, name TEXT, sort TEXT, plain TEXT)",
        f"""{_NUMBERS.format(count=authors)} INSERT INTO person
            SELECT n, first.word || ' ' || last.word || {author_number},
                last.word || {author_number} || ', ' || first.word,
                first.plain || ' ' || last.plain || {author_number}
            FROM number JOIN first ON first.id = n % {len(_FIRST)}
            JOIN last ON last.id = n / {len(_FIRST)} % {len(_LAST)}""",
        "INSERT INTO authors(id, name, sort) SELECT id, name, sort FROM person",
        f"""{_NUMBERS.format(count=series)} INSERT INTO series(id, name, sort)
            SELECT n, 'Series ' || n, 'Series ' || n FROM number""",
        f"""{_NUMBERS.format(count=publishers)} INSERT INTO publishers(id, name)
            SELECT n, 'Publisher ' || n FROM number""",
        f"""{each} INSERT INTO books(id, title, sort, timestamp, pubdate, series_index, author_sort,
                path, uuid, has_cover, last_modified)
            SELECT n, adjective.word || ' ' || noun.word || {title_number},
                adjective.word || ' ' || noun.word || {title_number},
                {_MOMENT.format(n="n")},
                CASE n % 7 WHEN 0 THEN '0101-01-01 00:00:00+00:00'
                    ELSE (1900 + n % 120) || '-06-01 00:00:00+00:00' END,
                1.0 + n % 20 / CASE n % 40 WHEN 1 THEN 2.0 ELSE 1 END, person.sort,
                person.plain || '/' || adjective.plain || ' ' || noun.plain || {title_number}
                    || ' (' || n || ')',
                printf('%08x-0000-4000-8000-%012x', n * 2654435761 % 4294967296, n), 0,
                {_MOMENT.format(n="n")}
            FROM number JOIN adjective ON adjective.id = n % {len(_ADJECTIVES)}
            JOIN noun ON noun.id = n / {len(_ADJECTIVES)} % {len(_NOUNS)}
            JOIN person ON person.id = 1 + n % {authors}""",
        f"""{each} INSERT INTO books_authors_link(book, author)
            SELECT n, 1 + n % {authors} FROM number""",
        f"""{each} INSERT INTO books_authors_link(book, author)
            SELECT n, 1 + (n + 1) % {authors} FROM number WHERE n % 9 = 0 AND {authors} > 1""",
        f"""{each} INSERT INTO books_languages_link(book, lang_code)
            SELECT n, CASE n % 3 WHEN 0 THEN 1 WHEN 1 THEN 2 ELSE 3 + n % 4 END FROM number WHERE n % 11""",
        f"""{each} INSERT INTO books_tags_link(book, tag) SELECT n, 1 + n % {len(_TAGS)} FROM number""",
        f"""{each} INSERT INTO books_tags_link(book, tag)
            SELECT n, 1 + (n + 5) % {len(_TAGS)} FROM number WHERE n % 2""",
        f"""{each} INSERT INTO books_series_link(book, series)
            SELECT n, 1 + n / 20 % {series} FROM number WHERE n % 20 < 6""",
        f"""{each} INSERT INTO books_publishers_link(book, publisher)
            SELECT n, 1 + n % {publishers} FROM number WHERE n % 5""",
        f"""{each} INSERT INTO books_ratings_link(book, rating)
            SELECT n, 1 + n % 5 FROM number WHERE n % 5 = 2""",
        f"""{each} INSERT INTO identifiers(book, type, val)
            SELECT n, 'isbn', printf('978%010d', n) FROM number WHERE n % 2""",
        f"""{each} INSERT INTO comments(book, text)
            SELECT n, '<div><p>What book ' || n || ' is about.</p></div>' FROM number WHERE n % 4 = 0""",
        f"""{each} INSERT INTO data(book, format, uncompressed_size, name)
            SELECT n, kind.column1, 200000 + (n * 7919 + kind.column2) % 3000000,
                adjective.plain || ' ' || noun.plain || {title_number} || ' - ' || person.plain
            FROM number JOIN adjective ON adjective.id = n % {len(_ADJECTIVES)}
            JOIN noun ON noun.id = n / {len(_ADJECTIVES)} % {len(_NOUNS)}
            JOIN person ON person.id = 1 + n % {authors}
            JOIN (VALUES ('EPUB', 0), ('MOBI', 1), ('PDF', 2), ('FB2', 3)) AS kind
            WHERE CASE kind.column2 WHEN 0 THEN n % 20 <> 19 WHEN 1 THEN n % 4 = 1
                WHEN 2 THEN n % 10 IN (3, 9) ELSE n % 6 = 0 END""",
    ]  # fmt: skip


def _write_files(con: sqlite3.Connection, folder: Path) -> None:
    rows = con.execute(
        "SELECT data.id, book, format, name, path, title, author_sort FROM data JOIN books ON books.id = book"
    ).fetchall()
    for row, book, format, name, path, title, author in rows:
        words = f"{format} of book {book - (format == 'EPUB' and book % 25 == 0)}"
        same = format == "EPUB" and (book % 25 == 0 or book % 25 == 24)
        written = content.of(format, "" if same else title, "" if same else author, words)
        place = folder / path
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.{format.lower()}").write_bytes(written)
        con.execute("UPDATE data SET uncompressed_size = ? WHERE id = ?", (len(written), row))

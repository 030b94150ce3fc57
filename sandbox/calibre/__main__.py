"""`python -m sandbox.calibre FOLDER --books N [--files] [--odd]`: a Calibre library, for demos."""

from __future__ import annotations

import argparse
from pathlib import Path

from sandbox.calibre import Library, bulk
from sandbox.calibre.odd import add_odd


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.calibre", description=__doc__)
    parser.add_argument("folder", type=Path, help="of the library; it must have no metadata.db")
    parser.add_argument("--books", type=int, default=100, help="how many (100)")
    parser.add_argument("--files", action="store_true", help="the book files too, not only the database")
    parser.add_argument("--odd", action="store_true", help="and one book of each odd kind, with its files")
    options = parser.parse_args()
    database = bulk.fill(options.folder, options.books, files=options.files)
    if options.odd:
        with Library(options.folder) as library:
            add_odd(library)
    print(database)


if __name__ == "__main__":
    main()

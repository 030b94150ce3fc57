"""Calibre libraries: a folder with a metadata.db as Calibre 6 makes it, small by hand or large in seconds.

with Library(folder) as library:
    book = library.add("Война и мир", ["Лев Толстой"], languages=["rus"], formats={"EPUB": b"..."})
bulk.fill(folder, books=1_000_000)
"""

from sandbox.calibre.library import Library

__all__ = ["Library"]

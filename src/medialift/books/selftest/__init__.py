"""The self-test of the books: a small library brought to a server of the self-test's own, by the real code.

Covered: Calibre's reader, the choice of books, hashing, how a book is told in the server's words, the login,
the uploads, the socket's tasks, the ebooks, and what is written down about each file. Not covered: the SQL of
the ledger, in whose place stands `ledger.MemoryPen`, and what workers do to each other; both need PostgreSQL.
"""

from medialift.books.selftest import journey, pace, rows, words

CHECKS = [*words.CHECKS, *rows.CHECKS, *pace.CHECKS, *journey.CHECKS]

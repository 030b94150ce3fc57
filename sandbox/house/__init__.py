"""A house in which everything runs that a dashboard shows: for tests of its pages, and `make demo-dashboard`.

Each module has one thing in it: books, audiobooks, posters, the healing's history, bursts. What is written is
written by the program's own functions.
"""

SCRIPT = '<script>document.title = "run"</script>'
PICTURE = '"><img src=x onerror="document.title = 1">'
"""Names as nobody should be able to choose them: a page that does not escape one of them runs it."""

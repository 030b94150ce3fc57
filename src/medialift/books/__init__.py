"""The Calibre library on its way into MyBookshelf2: read right, planned, moved exactly once, verified."""

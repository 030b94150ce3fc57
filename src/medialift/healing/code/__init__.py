"""Edits of the code: taken apart, judged, put into a copy of the release, tested, tried by one worker.

What proposes an edit is not believed in anything. An edit is refused by the first of these that it does not
pass: its form (`blocks`), its place (`edit`), what it does to the module (`policy`), the self-test in a
sandbox (`sandboxed`), and a worker that recovers with it (`canary`). What runs now is never edited.
"""

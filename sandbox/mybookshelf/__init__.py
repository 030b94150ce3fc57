"""A stand-in for the MyBookshelf2 server: its API, its WebSocket, its database and its folders.

It exists for what the real one does to its clients: errors inside 200 answers, no uniqueness anywhere,
requests that are not idempotent, tokens that expire, tasks whose answers arrive on another connection.
`python -m sandbox.mybookshelf --data DIR` serves it; `running(folder)` runs it for a test.
"""

from .running import Standin, running

__all__ = ["Standin", "running"]

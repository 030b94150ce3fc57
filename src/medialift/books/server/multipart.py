"""An upload's body: the one field `file`, as bytes or as a stream of known length."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

BOUNDARY = "medialift-book-8b1f0c7de4a94d6c"
"""Longer than chance: a book that holds it after a line break and two hyphens has not been written yet."""


@dataclass(frozen=True)
class Envelope:
    """What stands before and after the file's bytes."""

    head: bytes
    tail: bytes

    @classmethod
    def of(cls, name: str, mime_type: str) -> Envelope:
        """For a file of this name (ASCII, as the server strips everything else) and type."""
        head = (
            f"--{BOUNDARY}\r\n"
            f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
            f"Content-Type: {mime_type}\r\n\r\n"
        )
        return cls(head.encode("ascii"), f"\r\n--{BOUNDARY}--\r\n".encode("ascii"))

    def headers(self, size: int) -> dict[str, str]:
        """The headers of a body that holds `size` bytes of the file."""
        return {
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
            "Content-Length": str(len(self.head) + size + len(self.tail)),
        }

    async def around(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The body in pieces."""
        yield self.head
        async for chunk in chunks:
            yield chunk
        yield self.tail

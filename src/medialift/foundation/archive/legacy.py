"""Archives of old: a `.tar.gz` of the same tree, without manifest or checksums.

What can be proven is less: gzip's CRC, a readable tar, and that no member leaves its folder.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from medialift.errors import Unsafe
from medialift.foundation.archive.member import Entry, Verified, checked_name
from medialift.foundation.archive.stream import Gzip, Source

if TYPE_CHECKING:
    from medialift.foundation.archive.reader import Sink

_PIECE = 1 << 20
_HINT = "Use another archive, or export again"


class LegacyReader:
    """A `.tar.gz`; its manifest is empty. Folders in it are passed over, links and devices refused."""

    manifest: Mapping[str, Any]

    def __init__(self, source: Source) -> None:
        self._source = source
        self._gzip = Gzip(source)
        self.manifest = {}

    def drain(self, sink: Sink) -> Verified:
        """Pass every member to `sink`, then read on to gzip's CRC. Once only."""
        members = content_bytes = 0
        try:
            with tarfile.open(fileobj=self._gzip, mode="r|") as tar:  # type: ignore[call-overload]
                for entry, info in _files(tar):
                    members += 1
                    content_bytes += entry.size
                    self._pass_on(tar, info, entry, sink)
        except tarfile.TarError as error:
            raise Unsafe("The archive is truncated or damaged", str(error), _HINT) from error
        self._gzip.prove_end()
        self._source.drain()
        if not members:
            raise Unsafe("The archive is empty", "", "Name another file")
        return Verified(
            manifest={},
            members=members,
            content_bytes=content_bytes,
            bytes=self._source.bytes,
            sha256=self._source.sha256(),
        )

    def _pass_on(self, tar: tarfile.TarFile, info: tarfile.TarInfo, entry: Entry, sink: Sink) -> None:
        write = sink.begin(entry)
        if write is None:
            return
        content = tar.extractfile(info)
        left = entry.size
        while content and left:
            piece = content.read(min(_PIECE, left))
            if not piece:
                raise Unsafe("The archive is truncated", entry.name, _HINT)
            left -= len(piece)
            write(memoryview(piece))
        sink.end(entry)


def _files(tar: tarfile.TarFile) -> Iterator[tuple[Entry, tarfile.TarInfo]]:
    for info in tar:
        # tarfile remembers every member it has met; 200,000 of them are a lot of memory.
        tar.members = []  # type: ignore[attr-defined]
        if info.isdir():
            continue
        # Archives made with `tar -C folder .` start every name with "./".
        name = checked_name(info.name.removeprefix("./"))
        if not info.isreg():
            raise Unsafe("The archive holds something else than files", repr(name), "Do not use it")
        yield Entry(name, info.size, info.mode & 0o7777, int(info.mtime)), info

"""The program of a crew's worker: packs files into shared memory, or puts files where they were unpacked to.

Started by `crew`; ends when the link to it is closed.
"""

from __future__ import annotations

import hashlib
import mmap
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from medialift.errors import MedialiftError
from medialift.foundation.archive.crew import PACK, SLOT
from medialift.foundation.archive.member import Entry, Member, checksum_line
from medialift.foundation.archive.packing import Packed, pack
from medialift.foundation.archive.placing import Placing

Duty = Callable[[memoryview, Any], Any]


def pack_batch(slot: memoryview, given: Sequence[tuple[Any, ...]]) -> Packed:
    """Fill the slot with members until one does not fit."""
    return pack([Member(*each) for each in given], slot, 0)


def unpack_batch() -> Duty:
    """Hash what lies in a slot, and put what is wanted in its place."""
    placing: dict[str, Placing] = {}

    def unpack(slot: memoryview, batch: tuple[str, Sequence[tuple[Any, ...]]]) -> bytes:
        folder, given = batch
        place = placing.setdefault(folder, Placing(folder))
        lines = []
        for start, wanted, *told in given:
            entry = Entry(*told)
            content = slot[start : start + entry.size]
            lines.append(checksum_line(hashlib.sha256(content).hexdigest(), entry.size, entry.name))
            if wanted:
                place.begin(entry)
                place.write(content)
                place.end(entry)
        return b"".join(lines)

    return unpack


def serve(link: Connection, memory: memoryview, duty: Duty) -> None:
    """Work on batch after batch; what goes wrong is told and is the leader's to raise."""
    while True:
        try:
            number, batch = link.recv()
        except EOFError:
            return
        try:
            answer = ("done", duty(memory[number * SLOT : (number + 1) * SLOT], batch))
        except MedialiftError as error:
            answer = ("refused", error.to_dict())
        except OSError as error:
            answer = ("failed", error)
        link.send(answer)


def main(duty: str, link: int, memory: int) -> None:
    # Ctrl-C reaches the whole group; the leader decides what becomes of it, and closes the link.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(
        Connection(link),
        memoryview(mmap.mmap(memory, 0)),
        pack_batch if duty == PACK else unpack_batch(),
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

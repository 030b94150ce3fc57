"""The store behind a mount, asked past the mount: what does it really hold?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Event

from medialift.errors import Permanent, Transient
from medialift.foundation.child import Child, Late
from medialift.foundation.text import redact
from medialift.foundation.waiting import Clock, SystemClock


@dataclass(frozen=True)
class Remote:
    """What a mount shows, as rclone reaches it without the mount.

    Attributes:
        rclone: the program.
        config: its configuration file, which holds the secrets; arguments do not.
        remote: what is mounted: "store:bucket/prefix".
        mountpoint: where, so that a path of the mount can be named in the store.
        options: further flags that it takes to reach the store, such as ("--ca-cert", "/etc/…").
    """

    rclone: Path
    config: Path
    remote: str
    mountpoint: Path
    options: tuple[str, ...] = ()

    def cat(
        self,
        path: str,
        offset: int,
        count: int,
        deadline: float,
        *,
        clock: Clock | None = None,
        stop: Event | None = None,
    ) -> bytes:
        """Bytes of a file of the mount, read from the store itself.

        The file is named in a list on rclone's input: named as part of the remote, rclone takes an object
        whose HEAD it is refused for a folder without files, ends with 0 and writes nothing. So nothing
        written here means that the store answered 404. It costs two HEADs and one GET of `count` bytes
        (seen with 1.75.2; without --no-traverse it would list every folder).

        Args:
            path: absolute, below the mountpoint.
            deadline: seconds after which it is given up.

        Returns:
            At most `count` bytes: fewer when the object is shorter, none when it is shorter than `offset` or
            there is no such object.

        Raises:
            Transient: the store did not answer, or not in time; that says nothing about the mount.
            Permanent: rclone cannot be run, or the path has no name in the store.
            Stopped: the stop event was set.
        """
        clock, stop = clock or SystemClock(), stop or Event()
        until = clock.monotonic() + deadline
        try:
            with Child(
                self._words(offset, count), self._named(path).encode() + b"\n", clock=clock, stop=stop
            ) as child:
                content = b"".join(child.said(until))
                if child.ended(until) == 0:
                    return content
                last = [line for line in child.complaints().splitlines() if line.strip()][-1:]
                if last and "StatusCode: 416" in last[0]:  # it ends before the range begins
                    return b""
        except OSError as error:
            raise Permanent(
                "rclone cannot be run", str(self.rclone), error.strerror or "Check its path"
            ) from error
        except Late:
            raise Transient(f"The store itself did not answer within {deadline:g} s", self.remote) from None
        raise Transient(
            "The store itself cannot be read",
            self.remote,
            redact(last[0].rstrip(".")) if last else "rclone says nothing about it",
        )

    def _words(self, offset: int, count: int) -> list[str]:
        return [
            *[str(self.rclone), "cat", "--config", str(self.config), *self.options],
            *["--offset", str(offset), "--count", str(count)],
            *["--retries", "1", "--low-level-retries", "1", "--contimeout", "3s", "--timeout", "10s"],
            *["--no-traverse", "--files-from-raw", "-", self.remote],
        ]

    def _named(self, path: str) -> str:
        try:
            name = str(PurePosixPath(path).relative_to(self.mountpoint))
        except ValueError:
            raise Permanent("This file is not below the mount", path, f"It is {self.mountpoint}") from None
        if "\n" in name or "\r" in name:
            raise Permanent("A name with a line break cannot be asked for", repr(path), "Rename the file")
        return name

"""A library that rclone reaches: REMOTE:path, in any of its clouds. Every upload is compared by its hashes.

Exit codes (rclone.org/docs, "Exit code"): 3 no such folder, 4 no such file, 5 an error that may pass.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from medialift.audiobooks.delivery.library import Limits, hash_of
from medialift.audiobooks.delivery.naming import Place
from medialift.errors import Permanent, Transient, Unsafe
from medialift.foundation.process import Completed, run
from medialift.foundation.text import redact

_ABSENT = (3, 4)
# Kinds of hash in which files are compared, the best first; OneDrive has quickxor only, Dropbox its own.
_HASHES = ("sha256", "sha1", "md5", "quickxor", "dropbox", "whirlpool", "mailru", "hidrive")
_NO_HASH, _UNKNOWN = "size", "-1"
_FOR_A_PERSON = (
    "didn't find section in config",
    "AccessDenied",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "NoSuchBucket",
    "permission denied",
    "unauthorized",
    "invalid_grant",
)
_OPTIONS = ("--retries", "3", "--low-level-retries", "5", "--contimeout", "20s", "--timeout", "60s")

Run = Callable[..., Completed]
"""`medialift.foundation.process.run`."""


@dataclass(frozen=True)
class RcloneLibrary:
    """The library at `root`, such as `cloud:audiobooks`. `program` is rclone's."""

    root: str
    limits: Limits
    program: str = "rclone"
    run: Run = run

    def ready(self) -> None:
        """See Library. A store has no folders: that its remote answers is enough."""
        self._rclone("A library cannot be reached", "lsjson", "--stat", "--", self.root, absent=True)

    def settled(self, place: Place) -> Place:
        """See Library. Stores know case and accents: the place stays as it is."""
        return place

    def names(self, folder: PurePosixPath) -> list[str]:
        """See Library."""
        found = self._rclone("A library cannot be listed", "lsjson", "--", self._at(folder), absent=True)
        return sorted(one["Name"] for one in json.loads(found.out)) if found.ok else []

    def fingerprint(self, path: PurePosixPath) -> str | None:
        """See Library. A hash that the remote keeps, or else the size and the time."""
        there = self._look(path)
        return None if there is None else _print_of(there)

    def holds(self, path: PurePosixPath, source: Path, *, there: str) -> bool:
        """See Library. A remote that keeps no hashes (crypt) is read whole."""
        kind, _, value = there.partition(":")
        if kind == _NO_HASH:
            size = value.partition(",")[0]
            if size not in (_UNKNOWN, str(source.stat().st_size)):
                return False
            return self._hash_of(self._at(path), "--download") == hash_of(source, self.limits)
        if kind in hashlib.algorithms_guaranteed:
            return value == hash_of(source, self.limits, kind)
        told = self._rclone("A book cannot be read", "lsjson", "--stat", *_wanted((kind,)), "--", str(source))
        return bool(json.loads(told.out)["Hashes"].get(kind) == value)

    def put(self, path: PurePosixPath, source: Path, *, replace: bool, passing: bool = False) -> str:  # noqa: ARG002
        """See Library."""
        # One that takes the place of ours goes there in any case: without hashes rclone would compare sizes.
        # A new one leaves alone what came to be there in the meantime.
        how = "--ignore-times" if replace else "--ignore-existing"
        argv = ("copyto", how, "--", str(source), self._at(path))
        self._rclone("A book could not be uploaded", *argv)
        there = self.fingerprint(path)
        if there is None or not self.holds(path, source, there=there):
            if there is not None and not replace:
                raise Unsafe(
                    "Another file took the name of a book",
                    self.shown(path),
                    "Look at both, and rename one of them",
                )
            raise Transient("An upload differs from its source", self.shown(path), "It is tried again")
        return there

    def shown(self, path: PurePosixPath) -> str:
        """See Library."""
        return redact(self._at(path))

    def _at(self, path: PurePosixPath) -> str:
        root = self.root.rstrip("/")
        below = path.as_posix()
        return self.root if below == "." else f"{root}{'' if root.endswith(':') else '/'}{below}"

    def _look(self, path: PurePosixPath) -> Mapping[str, Any] | None:
        found = self._rclone(
            "A library cannot be looked at",
            "lsjson",
            "--stat",
            *_wanted(_HASHES),
            "--",
            self._at(path),
            absent=True,
        )
        told = json.loads(found.out) if found.ok else None
        return told if isinstance(told, dict) and not told.get("IsDir") else None

    def _hash_of(self, address: str, *options: str) -> str:
        found = self._rclone("A library cannot be read", "hashsum", "sha256", *options, "--", address)
        return found.out.split(" ", 1)[0]

    def _rclone(self, what: str, *words: str, absent: bool = False) -> Completed:
        """Run it. With `absent`, that there is nothing is an answer.

        Raises:
            Permanent: a person must act. Transient: it may pass.
        """
        argv = (self.program, words[0], *_OPTIONS, *words[1:])
        done = self.run(argv, timeout=self.limits.left(), stop=self.limits.stop)
        if done.ok or (absent and done.rc in _ABSENT):
            return done
        said = [
            line.strip() for line in done.err.splitlines() if line.strip() and "NOTICE: Config" not in line
        ]
        why = redact(said[-1] if said else f"rclone ended with {done.rc}").rstrip(".")
        kind = Permanent if any(sign.lower() in done.err.lower() for sign in _FOR_A_PERSON) else Transient
        raise kind(what, redact(self.root), why)


def _wanted(kinds: tuple[str, ...]) -> tuple[str, ...]:
    return ("--hash", *(word for kind in kinds for word in ("--hash-type", kind)))


def _print_of(there: Mapping[str, Any]) -> str:
    for kind in _HASHES:
        if found := there.get("Hashes", {}).get(kind):
            return f"{kind}:{found}"
    return f"{_NO_HASH}:{there['Size']},modified:{there['ModTime']}"

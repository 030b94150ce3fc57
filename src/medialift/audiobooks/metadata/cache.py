"""Answers of services that are kept, by ASIN and shop, so that a second try asks nobody.

Only answers that fitted their shape are kept. What is kept is looked at again when it is read: a file that is
broken, of another release or too old is as if it were not there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medialift.errors import Permanent
from medialift.foundation import atomic
from medialift.foundation.waiting import Clock, SystemClock

_log = logging.getLogger(__name__)
_FORM = 1
SHORTEST = 86_400.0
"""Seconds that "there is none" and the results of a search are kept at most: shops get new books daily."""
ABSENT = "absent"
"""What stands for the answer that there is no such book."""
_ASIN = re.compile(r"[A-Z0-9]{10}")
_REGION = re.compile(r"[a-z]{2}")


@dataclass(frozen=True)
class Kept:
    """An answer that was kept, and its age in seconds."""

    answer: Any
    age: float


class Cache:
    """A folder of answers: FOLDER/SERVICE/REGION/ASIN.json, searches by the hash of their words.

    Args:
        lifetime: seconds that an answer counts; 0: nothing is kept.
    """

    def __init__(self, folder: Path, lifetime: float, *, clock: Clock | None = None) -> None:
        self.folder, self.lifetime, self._clock = folder, lifetime, clock or SystemClock()

    def get(self, service: str, region: str, asin: str) -> Kept | None:
        """What was answered to this; None when it is not known, or too old to count."""
        return self._read(self._place(service, region, asin))

    def put(self, service: str, region: str, asin: str, answer: Any) -> None:
        """Keep an answer. A folder that cannot be written costs a request later, and fails nothing."""
        self._write(self._place(service, region, asin), answer)

    def get_search(self, service: str, region: str, words: str) -> Kept | None:
        """As `get`, by the words of a search."""
        return self._read(self._place_of_search(service, region, words))

    def put_search(self, service: str, region: str, words: str, answer: Any) -> None:
        """As `put`, by the words of a search."""
        self._write(self._place_of_search(service, region, words), answer)

    def flush(self, *, asin: str = "", region: str = "") -> int:
        """Forget all answers, or those of an ASIN or a shop; how many were forgotten.

        Results of searches are forgotten with every ASIN: they may name it.

        Raises:
            Permanent: an answer cannot be removed.
        """
        forgotten = 0
        for file in self._files():
            of_asin = not asin or file.stem == asin.upper() or file.stem.startswith("search-")
            if of_asin and (not region or file.parent.name == region):
                try:
                    file.unlink(missing_ok=True)
                except OSError as error:
                    raise Permanent(
                        f"A kept answer cannot be removed ({error.strerror})",
                        str(file),
                        "Look who owns the folder of tagging.cache",
                    ) from error
                forgotten += 1
        return forgotten

    def sweep(self) -> int:
        """Remove what is too old to count; how many that were."""
        old = [file for file in self._files() if self._read(file) is None]
        for file in old:
            with suppress(OSError):
                file.unlink(missing_ok=True)
        return len(old)

    def _files(self) -> Iterator[Path]:
        for service in ("audible", "audnexus", "chapters"):
            yield from sorted((self.folder / service).glob("*/*.json"))

    def _place(self, service: str, region: str, asin: str) -> Path | None:
        # Both become parts of a path.
        if _ASIN.fullmatch(asin) and _REGION.fullmatch(region):
            return self.folder / service / region / f"{asin}.json"
        return None

    def _place_of_search(self, service: str, region: str, words: str) -> Path | None:
        if not _REGION.fullmatch(region):
            return None
        digest = hashlib.sha256(words.casefold().encode()).hexdigest()[:32]
        return self.folder / service / region / f"search-{digest}.json"

    def _read(self, file: Path | None) -> Kept | None:
        if file is None or not self.lifetime:
            return None
        try:
            told = json.loads(file.read_bytes())
            age = self._clock.now() - float(told["kept"])
            answer = told["answer"]
            form = told["form"]
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return None
        short_lived = answer == ABSENT or file.stem.startswith("search-")
        lifetime = min(self.lifetime, SHORTEST) if short_lived else self.lifetime
        # An answer from the future was written under a wrong clock: nobody knows how old it is.
        return Kept(answer, age) if form == _FORM and 0 <= age < lifetime else None

    def _write(self, file: Path | None, answer: Any) -> None:
        if file is None or not self.lifetime:
            return
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_json(file, {"form": _FORM, "kept": self._clock.now(), "answer": answer})
        except OSError as error:
            _log.warning("An answer is not kept, and will be asked for again: %s", error)

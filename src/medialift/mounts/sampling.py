"""How many failing files condemn a mount: never a single one of many.

Single objects do go bad: of a library of photos some were corrupt from the start, and files are deleted. A
mount that lost its store fails with nearly all of them. So the first failure only makes the sample larger,
and the share of failures in that decides:

- a mount is condemned when more than a third of the files read fail;
- at the first failure the sample grows to three times `needed` (3 unless told otherwise), so that a third of
  it is several files;
- `needed` failures that outnumber what was read well end it sooner: failing reads are slow.

Of one or two files, one failure is more than a third: a library so small fails closed. Files that were named
but are not there are counted among the named ones also by themselves: those found by walking are there by
nature, and say nothing about a mount that shows something else than it should.
"""

from __future__ import annotations

from collections.abc import Sequence

from medialift.mounts.verdict import Read

NEEDED = 3
_TOLERATED = 3  # one in so many


def enlarged(sample: int, needed: int) -> int:
    """How many files are read once one has failed."""
    return max(sample, _TOLERATED * needed)


def hopeless(reads: Sequence[Read], needed: int) -> bool:
    """Whether no more needs to be read to condemn it."""
    failed = sum(not read.ok for read in reads)
    return failed >= needed and 2 * failed > len(reads)


def condemned(reads: Sequence[Read], named: int) -> bool:
    """Whether too many of all that was read failed; `named` of them were asked for by name."""
    failed = sum(not read.ok for read in reads)
    missing = sum(read.missing for read in reads)
    return _TOLERATED * failed > len(reads) or _TOLERATED * missing > named > 0

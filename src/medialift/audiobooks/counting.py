"""How many samples each part gives at the book's rate: as its header counts them, or by decoding it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from medialift.audiobooks import decoding
from medialift.audiobooks.decoding import Format, Group
from medialift.audiobooks.foreseen import foreseen
from medialift.audiobooks.programs import Programs
from medialift.audiobooks.relay import Program, Watch, pour, running
from medialift.audiobooks.source import Source
from medialift.errors import Permanent

_TOLD_BY_HEADER = ("mov", "flac", "ogg", "asf", "wav")
"""Containers that tell how long they are; an MP3 without a Xing frame has it guessed from its size."""
_MISSING_SECONDS, _MISSING_SHARE = 1.0, 0.005
_END_SECONDS = 0.2
"""What is damaged only so near the end, or behind it, is no sound."""


def expected(
    sources: Sequence[Source], form: Format, programs: Programs, watch: Watch, cores: int
) -> list[int]:
    """Samples of each part before anything is encoded: foreseen where possible, else counted.

    What is foreseen is only a plan: whoever decodes compares.

    Raises:
        Permanent: a part cannot be decoded, or gives no sound.
        Transient: it was stopped, or did not end in time.
    """
    known = [foreseen(source) if source.rate == form.rate else None for source in sources]
    unknown = [number for number, samples in enumerate(known) if samples is None]
    counts = count([sources[number] for number in unknown], form, programs, watch, cores)
    for number, samples in zip(unknown, counts, strict=True):
        known[number] = samples
    return [samples or 0 for samples in known]


def count(sources: Sequence[Source], form: Format, programs: Programs, watch: Watch, cores: int) -> list[int]:
    """Samples of each part, by decoding all of them; several groups at once when there are cores.

    Raises: as `expected`.
    """
    groups = list(decoding.groups(sources, 0, len(sources), form))

    def one(group: Group) -> tuple[int, ...]:
        with running(decoding.argv(programs, group, form), watch, writes=True) as decoder:
            return concluded(group, decoder, _through(decoder, form, watch), form, programs, watch)

    with ThreadPoolExecutor(max(1, cores), "count") as pool:
        return [samples for counts in pool.map(one, groups) for samples in counts]


def concluded(
    group: Group, decoder: Program, through: int, form: Format, programs: Programs, watch: Watch
) -> tuple[int, ...]:
    """Samples of each part of a group whose decoder wrote all it has: `through` samples of them.

    Raises:
        Permanent: a part could not be decoded wholly, or is shorter than its header says.
        Transient: as `Watch.check`.
    """
    rc, said = decoder.ended(), decoder.said()
    samples = None if rc or decoding.damaged(said) else decoding.counted(group, said, through)
    if samples is None:
        # ffmpeg did not say which part it was, or what each of them gave: one after the other tells.
        samples = tuple(_alone(source, form, programs, watch) for source in group.sources)
        if sum(samples) != through:
            raise _not_decoded(group.sources[0], said)
    for source, number in zip(group.sources, samples, strict=True):
        _complete(source, number, form)
    return samples


def _through(decoder: Program, form: Format, watch: Watch) -> int:
    """Samples that a decoder writes."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - no file
        return pour(decoder.output, nowhere.fileno(), watch) // form.step


def _alone(source: Source, form: Format, programs: Programs, watch: Watch) -> int:
    """Samples of one part of which something could not be decoded, if nothing of its sound was lost by that.

    Behind the sound of many a file lies what no decoder knows (tags of other programs, zeros), and joined
    files have it in the middle.
    """
    samples, said, failed = _decoded(source, form, programs, watch, None)
    if not decoding.damaged(said) and not failed:
        return samples
    counted = foreseen(source)
    if counted is not None and samples * source.rate >= counted * form.rate:
        return samples
    before = samples / form.rate - _END_SECONDS
    if before > 0 and not failed:
        _, said_before, _ = _decoded(source, form, programs, watch, before)
        if not decoding.damaged(said_before):
            return samples
    raise _not_decoded(source, said)


def _decoded(
    source: Source, form: Format, programs: Programs, watch: Watch, until: float | None
) -> tuple[int, str, int]:
    """(samples, what ffmpeg said, its exit code) of the first `until` seconds of a part, or of all of it."""
    argv = decoding.argv(programs, Group(0, (source,)), form, until=until)
    with running(argv, watch, writes=True) as decoder:
        samples = _through(decoder, form, watch)
        rc = decoder.ended()
        return samples, decoder.said(), rc


def _complete(source: Source, samples: int, form: Format) -> None:
    seconds, counted = samples / form.rate, foreseen(source)
    if not samples:
        raise Permanent("A part has no sound", str(source.path), "Get it again, or take it away")
    if counted is None and source.container.split(",")[0] not in _TOLD_BY_HEADER:
        return
    told = source.seconds if counted is None else counted / source.rate
    if told - seconds > max(_MISSING_SECONDS, _MISSING_SHARE * told):
        raise Permanent(
            f"A part ends early: its header says {told:.1f} s, it plays {seconds:.1f} s",
            str(source.path),
            "It is truncated or damaged: get it again",
        )


def _not_decoded(source: Source, said: str) -> Permanent:
    lines = [line for line in said.splitlines() if "[error]" in line or "[fatal]" in line]
    last = lines[-1].partition("] ")[2].strip().rstrip(".") if lines else "ffmpeg gave no reason"
    return Permanent("A part cannot be decoded wholly", str(source.path), f"Get it again. ffmpeg: {last}")

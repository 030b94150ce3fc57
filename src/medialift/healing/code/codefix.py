"""Code fixes: an edit is proposed, tested, tried by one worker, and then taken over or thrown away.

    fix = fixes.propose(pipeline, worker, decision, text)     # TRIAL, or REFUSED with the reason
    fleet.configure(worker, …, fixes.release_for(worker)); restart it; wait; look whether it recovered
    fixes.take_over() or fixes.discard(why)

Whichever release a worker is to have at its next start, `release_for` tells: that of a fix on trial for its
canary, that of a fix in force for all others, or none, so that its unit decides. All of this lies in files of
this host, as the releases do, and holds through a restart at any moment.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from medialift.errors import MedialiftError, Permanent, Transient
from medialift.foundation import locks
from medialift.foundation.text import redact
from medialift.foundation.waiting import Clock, SystemClock
from medialift.healing.code import blocks, edit, policy, sandboxed
from medialift.healing.code.fix import FAILED, Fix, Kept, State
from medialift.healing.code.refusal import Refused
from medialift.healing.code.release import Releases, is_fix, number_of
from medialift.healing.code.sandboxed import Verdict
from medialift.healing.decision import Decision
from medialift.healing.pipeline import Pipeline
from medialift.settings import Settings

_log = logging.getLogger(__name__)

Test = Callable[[Path, str, Sequence[str] | None], Verdict]
"""Runs the self-test of a pipeline in a release; the names of the checks that there have to be."""


class CodeFixes:
    """The code fixes of this host.

    Args:
        enabled: whether edits are taken at all; what is there can be reverted in any case.
        test: instead of the self-test in a sandbox.
    """

    def __init__(
        self,
        releases: Releases,
        *,
        enabled: bool,
        test: Test | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.releases, self.enabled = releases, enabled
        self._test = test or (lambda release, name, names: sandboxed.selftest(release, name, expected=names))
        self._clock = clock or SystemClock()
        self._kept = Kept(releases.root / "fixes")

    @classmethod
    def open(cls, settings: Settings) -> CodeFixes:
        """As the settings have it; nothing is looked at yet."""
        healing = settings.healing
        return cls(Releases(healing.root, settings.runtime.free_space), enabled=healing.code_fixes)

    # -- what there is ------------------------------------------------------------------------------------

    def all(self) -> list[Fix]:
        """Every edit that was ever proposed here, the newest first."""
        return self._kept.all()

    def on_trial(self) -> Fix | None:
        """The edit that a canary is to run with."""
        return next((one for one in self.all() if one.state is State.TRIAL), None)

    def in_force(self) -> Fix | None:
        """The edit that `current` has; None when an installation came after it."""
        for one in self.all():
            if one.state is State.IN_FORCE:
                return one if self._current_name() == one.release else None
        return None

    def release_for(self, worker: str) -> Path | None:
        """The release that a worker is to have at its next start; None: whichever its unit names."""
        trial, force = self.on_trial(), self.in_force()
        fix = trial if trial is not None and trial.worker == worker else force
        return self.releases.folder / fix.release if fix is not None else None

    def source(self, pipeline: Pipeline, module: str) -> str:
        """The text of a module as the release in use has it: what an edit has to match.

        Raises:
            Refused: it is not on the pipeline's list.
            Permanent: there is no release in use.
        """
        _listed(pipeline, module)
        return self.releases.module(self.releases.current(), module).read_text(encoding="utf-8")

    # -- what is done -------------------------------------------------------------------------------------

    def propose(self, pipeline: Pipeline, worker: str, decision: Decision, text: str) -> Fix:
        """Judge an edit, and make a release with it that has passed the self-test.

        Args:
            worker: its canary, if it comes so far.
            decision: names the module, and says why.
            text: search/replace blocks, as a model wrote them.

        Returns:
            the edit on TRIAL, or REFUSED and why. What runs is as it was in either case.

        Raises:
            Transient: another process is at the releases now.
        """
        with self._alone():
            now = self._clock.now()
            fix = Fix(
                number=self._next(),
                pipeline=pipeline.name,
                worker=worker,
                module=decision.module,
                explanation=decision.explanation,
                by=decision.by,
                made=now,
                at=now,
            )
            try:
                self._may_propose(pipeline, fix.module)
                base = self.releases.current()
                before = self.releases.module(base, fix.module).read_text(encoding="utf-8")
                fix = replace(fix, base=base.name, before=_hash(before))
                after = edit.apply(before, blocks.parse(text, fix.module))
                fix = replace(fix, after=_hash(after), diff=edit.unified(before, after, fix.module))
                policy.check(before, after, pipeline.guarded, fix.module)
                self._not_again(fix)
                expected = self._known_good(base, pipeline)
                fix = replace(fix, release=self.releases.copy(base, fix.number).name)
                release = self.releases.folder / fix.release
                self.releases.write(release, fix.module, after)
                self.releases.flush(release)
                verdict = self._test(release, pipeline.name, expected)
                fix = replace(fix, checks=verdict.checks)
                if not verdict.ok:
                    raise Refused("The edit does not pass the self-test", fix.module, verdict.why)
            except (MedialiftError, OSError, UnicodeDecodeError) as error:
                self._throw_away(fix)
                _log.warning("A code fix for %s is refused: %s", worker, error)
                return self._kept.keep(self._turned(fix, State.REFUSED, str(error)))
            except BaseException:
                self._throw_away(fix)
                raise
            return self._kept.keep(self._turned(fix, State.TRIAL, "It passed the self-test"))

    def take_over(self, why: str = "The canary recovered") -> Fix:
        """The canary recovered: `current` names the release from now on. The fix, IN_FORCE.

        Raises:
            Permanent: nothing is on trial, or another release was installed meanwhile: discard it then.
            Transient: another process is at the releases now.
        """
        with self._alone():
            fix = self._trial()
            if self._current_name() not in (fix.base, fix.release):
                raise Permanent(
                    "Another release was installed meanwhile", f"{self._current_name()} instead of {fix.base}"
                )
            # In this order: if it ends between the two, the fix is still on trial and is taken over again.
            self.releases.switch(self.releases.folder / fix.release)
            for other in self.all():
                if other.state is State.IN_FORCE:
                    self._kept.keep(self._turned(other, State.REPLACED, f"Fix {fix.number} came after it"))
            return self._kept.keep(self._turned(fix, State.IN_FORCE, why))

    def discard(self, why: str) -> Fix:
        """The canary did not recover: the edit is thrown away. The fix, DISCARDED.

        From then on `release_for` does not name its release any more; the files of it go with `prune`, when
        no process runs from them.

        Raises:
            Permanent: nothing is on trial.
            Transient: another process is at the releases now.
        """
        with self._alone():
            return self._kept.keep(self._turned(self._trial(), State.DISCARDED, why))

    def revert(self, why: str = "By hand") -> Fix:
        """Take back the edit in force, and one on trial with it: `current` names what was before it again.

        The fix that was in force, or else the one on trial, REVERTED. Workers that run with it have to be
        started again, with the release that `release_for` then names.

        Raises:
            Permanent: there is none, or the release before it is not there any more.
            Transient: another process is at the releases now.
        """
        with self._alone():
            trial, force = self.on_trial(), self.in_force()
            if force is None and trial is None:
                raise Permanent(
                    "No code fix is in force", str(self.releases.link), "There is nothing to revert"
                )
            if force is not None:
                self.releases.switch(self.releases.folder / force.base)
                earlier = next((one for one in self.all() if one.release == force.base), None)
                if earlier is not None:
                    self._kept.keep(self._turned(earlier, State.IN_FORCE, f"Fix {force.number} was reverted"))
                force = self._kept.keep(self._turned(force, State.REVERTED, why))
            if trial is not None:
                trial = self._kept.keep(self._turned(trial, State.REVERTED, why))
            found = force or trial
            assert found is not None  # noqa: S101  one of them is there
            return found

    def prune(self, in_use: Collection[Path] = ()) -> list[str]:
        """Remove fixes that nothing needs: their names.

        Kept are the release in use and those that it was made from, the one on trial, those that a process
        runs from, and `in_use`.

        Raises:
            Transient: another process is at the releases now.
        """
        with self._alone():
            needed = {path.name for path in in_use} | set(self._with_bases(self._current_name()))
            trial = self.on_trial()
            needed |= {trial.release, trial.base} if trial is not None else set()
            removed = []
            for release in self.releases.all():
                if is_fix(release) and release.name not in needed and not _runs_from(release):
                    self.releases.remove(release)
                    removed.append(release.name)
            return removed

    # -- parts of it --------------------------------------------------------------------------------------

    def _may_propose(self, pipeline: Pipeline, module: str) -> None:
        if not self.enabled:
            raise Refused("Code fixes are off", "healing.code_fixes", "Set it to true to allow them")
        _listed(pipeline, module)
        trial = self.on_trial()
        if trial is not None:
            raise Refused("Another code fix is on trial", f"fix {trial.number} with {trial.worker}")

    def _not_again(self, fix: Fix) -> None:
        for one in self.all():
            if (one.module, one.before, one.after) != (fix.module, fix.before, fix.after):
                continue
            if one.state in FAILED or (one.state is State.REFUSED and any(one.checks.values())):
                raise Refused("This edit was tried before", f"fix {one.number} ({one.state}): {one.why}")

    def _known_good(self, base: Path, pipeline: Pipeline) -> list[str]:
        """The names of the checks. The release in use has to pass them: else they would say nothing."""
        verdict = self._test(base, pipeline.name, None)
        if not verdict.ok:
            raise Refused("The self-test fails without the edit as well", base.name, verdict.why)
        return list(verdict.checks)

    def _throw_away(self, fix: Fix) -> None:
        if fix.release:
            self.releases.remove(self.releases.folder / fix.release)

    def _trial(self) -> Fix:
        found = self.on_trial()
        if found is None:
            raise Permanent("No code fix is on trial", str(self.releases.root))
        return found

    def _turned(self, fix: Fix, state: State, why: str) -> Fix:
        return replace(fix, state=state, why=redact(why), at=self._clock.now())

    def _current_name(self) -> str:
        return self.releases.current().name

    def _with_bases(self, name: str) -> Iterator[str]:
        """A release and those that it was made from, down to the one that was installed."""
        bases = {one.release: one.base for one in self.all() if one.release}
        while name:
            yield name
            name = bases.pop(name, "")

    def _next(self) -> int:
        kept = max((one.number for one in self.all()), default=0)
        return 1 + max([kept, *map(number_of, self.releases.all())])

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with locks.alone(self.releases.root / ".fixes.lock") as held:
            if not held:
                raise Transient("Another process is at the releases", str(self.releases.root))
            yield


def _listed(pipeline: Pipeline, module: str) -> None:
    if module not in pipeline.modules:
        raise Refused("This module may not be edited", module, f"These may: {', '.join(pipeline.modules)}")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _runs_from(release: Path) -> bool:
    """Whether a process of this host was started from a release."""
    inside = f"{release}/"
    for process in psutil.process_iter(["cmdline"]):
        words: list[Any] = process.info["cmdline"] or []
        if any(str(word).startswith(inside) for word in words[:2]):
            return True
    return False

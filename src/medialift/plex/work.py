"""A run as a job of this host: written down, started, attached to, read, stopped. What `plex_scan` calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medialift.errors import Permanent, Transient, from_dict
from medialift.foundation import atomic, jobs, process
from medialift.foundation.jobs import Status
from medialift.foundation.journal import entries
from medialift.foundation.launching import SYSTEMD, launch
from medialift.foundation.process import Runner
from medialift.plex import kinds
from medialift.plex.run import Request

# Secrets lie beside the job in files of their own, which only its owner reads, and go when it has ended.
_CLAIM, _ACCOUNT = "claim-token", "account-token"

_LINES = 20


@dataclass(frozen=True)
class Job:
    """A job of the kind "plex-run" in its folder, run by systemd or, where there is none, as a process."""

    folder: Path
    supervisor: str = SYSTEMD
    runner: Runner = process.run

    def status(self) -> Status:
        """How it stands."""
        return jobs.state(self.folder)

    def start(
        self, arguments: Mapping[str, Any], secrets: Mapping[str, Any], *, predict: bool = False
    ) -> bool:
        """Start it, unless it runs or has ended well; whether it was, or would be, started.

        A fresh claim token is handed even to a run that goes on: it may be waiting for one.

        Args:
            arguments: as `medialift.plex.run.RunOptions`, without the claim.
            secrets: {claim_token, claim_file, account_token, account_url}, at most one of the first three.

        Raises:
            Permanent: an argument is wrong, or a job of this name with other arguments runs or ended well.
        """
        given = dict(arguments)
        claim = self._claim(secrets)
        if claim:
            given["claim"] = claim
        Request.of(given)
        now = self.status().state
        if now in (jobs.RUNNING, jobs.OK):
            # It is the same work wherever its claim token comes from.
            given.pop("claim", None)
            there = jobs.arguments(self.folder)
            given |= {"claim": there["claim"]} if "claim" in there else {}
        wanted = now == jobs.ABSENT or jobs.startable(self.folder)
        if predict:
            return wanted
        # Refused before a secret is written: the secret must not reach a job that it is not meant for.
        jobs.submit(self.folder, kinds.RUN, given)
        if now != jobs.OK:
            self._hand_over(secrets)
        if not wanted:
            return False
        return launch(self.folder, self.supervisor, self.runner)

    def wait(self, at_most: float, *, every: float = 2.0) -> Status:
        """Stay with it until it ended or `at_most` seconds passed.

        Raises:
            Permanent: there is no such job.
            Transient: it was asked for and does not begin.
        """
        if self.status().state == jobs.ABSENT:
            raise Permanent("There is no such job", str(self.folder), "Start it first")
        now = jobs.follow(self.folder, at_most=at_most, every=every)
        self._forget(now)
        return now

    def cancel(self, at_most: float, *, every: float = 2.0, predict: bool = False) -> bool:
        """Stop it and wait until it has stopped; whether there was, or is, one to stop.

        Raises:
            Transient: it did not stop in time.
        """
        now = self.status()
        if now.state not in (jobs.RUNNING, jobs.WAITING):
            return False
        if predict:
            return True
        jobs.cancel(self.folder, self.runner if self.supervisor == SYSTEMD else None)
        # One that never began has nothing to end.
        if jobs.RUNNING in (now.state, self.status().state):
            ended = jobs.follow(self.folder, at_most=at_most, every=every)
            if not ended.ended:
                raise Transient(
                    f"The job did not stop within {at_most:g} s", self.folder.name, "Look at its journal"
                )
            self._forget(ended)
        return True

    def told(self) -> dict[str, Any]:
        """{job_state, finished, phases, lines, result?, error}: the error is {} unless it failed or died."""
        now = self.status()
        told: dict[str, Any] = {
            "job_state": now.state,
            "finished": now.ended,
            "phases": [phase.to_dict() for phase in now.phases],
            "lines": [entry.describe() for entry in entries(self.folder / "journal.jsonl")][-_LINES:],
            "error": {},
        }
        if now.state == jobs.OK:
            told["result"] = dict(now.value)
        if now.state == jobs.FAILED:
            told["error"] = {**now.error, "msg": str(from_dict(now.error))}
        if now.state == jobs.DIED:
            died = Permanent(
                "The job died without a result",
                self.folder.name,
                "Start it again: what is scanned stays scanned",
            )
            told["error"] = {**died.to_dict(), "msg": str(died)}
        return told

    def _claim(self, secrets: Mapping[str, Any]) -> dict[str, str]:
        if secrets.get("claim_token"):
            return {"file": str(self.folder / _CLAIM)}
        if secrets.get("claim_file"):
            return {"file": str(secrets["claim_file"])}
        if secrets.get("account_token"):
            return {
                "account_token_file": str(self.folder / _ACCOUNT),
                "account_url": str(secrets.get("account_url") or ""),
            }
        return {}

    def _hand_over(self, secrets: Mapping[str, Any]) -> None:
        for option, name in (("claim_token", _CLAIM), ("account_token", _ACCOUNT)):
            if secrets.get(option):
                atomic.write_text(self.folder / name, f"{secrets[option]}\n", mode=0o600)

    def _forget(self, now: Status) -> None:
        if now.ended:
            for name in (_CLAIM, _ACCOUNT):
                (self.folder / name).unlink(missing_ok=True)

"""Plex is stopped and started through systemd, and believed only when systemd says so."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from medialift.errors import Permanent, Transient
from medialift.foundation.process import Completed, run
from medialift.plex.service import PlexService, PlexSqlite
from tests.restore_world import Quick


class Systemd:
    """A systemctl with one unit; a job takes `delay` looks until the unit is in its new state."""

    def __init__(
        self, state: str, *, loaded: bool = True, delay: int = 2, start_ends: str = "active"
    ) -> None:
        self.state, self.loaded, self.delay, self.start_ends = state, loaded, delay, start_ends
        self.wanted, self.left = state, 0
        self.called: list[str] = []

    def __call__(self, argv: Sequence[str]) -> Completed:
        self.called.append(argv[1])
        if argv[1] == "show":
            self.left -= 1
            if self.left <= 0:
                self.state = self.wanted
            load = "loaded" if self.loaded else "not-found"
            return Completed(tuple(argv), 0, f"LoadState={load}\nActiveState={self.state}\n")
        if argv[1] in ("start", "stop"):
            self.left = self.delay
            self.wanted = "inactive" if argv[1] == "stop" else self.start_ends
            self.state = "deactivating" if argv[1] == "stop" else "activating"
        return Completed(tuple(argv), 0)


def test_stopping_ends_when_the_unit_is_down():
    systemd = Systemd("active", delay=5)
    plex = PlexService("plex.service", systemd, Quick())
    assert plex.running()
    plex.stop()
    assert not plex.running() and systemd.called.count("stop") == 1


def test_a_unit_that_does_not_stop_or_start_in_time_is_an_error():
    with pytest.raises(Transient, match="did not stop within 180 s"):
        PlexService("plex.service", Systemd("active", delay=10_000), Quick()).stop()
    with pytest.raises(Transient, match=r"did not start.*activating"):
        PlexService("plex.service", Systemd("inactive", delay=10_000), Quick()).start()


def test_a_start_that_fails_says_where_to_look():
    with pytest.raises(Permanent, match=r"journalctl -u plex.service"):
        PlexService("plex.service", Systemd("inactive", start_ends="failed"), Quick()).start()
    PlexService("plex.service", Systemd("failed"), Quick()).start()


def test_a_unit_that_is_still_stopping_counts_as_running():
    assert PlexService("plex.service", Systemd("deactivating"), Quick()).running()
    assert not PlexService("plex.service", Systemd("failed"), Quick()).running()


def test_a_missing_unit_is_never_taken_for_a_stopped_one():
    plex = PlexService("plex.service", Systemd("inactive", loaded=False), Quick())
    for ask in (plex.running, plex.stop, plex.start):
        with pytest.raises(Permanent, match=r"no such service: plex.service"):
            ask()


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (Completed((), 0, "ok\n"), ()),
        (Completed((), 0, "row 3 missing from index x\n"), ("row 3 missing from index x",)),
        (
            Completed((), 11, "", "Error: in prepare, database disk image is malformed (11)\n"),
            ("Error: in prepare, database disk image is malformed (11)",),
        ),
        (Completed((), 0, ""), ("it answered nothing",)),
    ],
)
def test_what_plex_sqlite_finds_is_returned(answer: Completed, found: tuple[str, ...], tmp_path: Path):
    assert PlexSqlite(("Plex SQLite",), lambda _: answer).integrity_check(tmp_path / "x.db") == found


def test_a_check_that_could_not_run_is_an_error_not_a_verdict(tmp_path: Path):
    failed = Completed(("docker",), 125, "", "docker: no such image\n")
    with pytest.raises(Permanent, match="could not be run"):
        PlexSqlite(("docker",), lambda _: failed).integrity_check(tmp_path / "x.db")


def test_the_image_of_the_container_checks_as_the_owner_without_a_network(tmp_path: Path):
    asked: list[Sequence[str]] = []

    def docker(argv: Sequence[str]) -> Completed:
        asked.append(argv)
        return Completed(tuple(argv), 0, "sha256:1234\n" if argv[1] == "inspect" else "ok\n")

    check = PlexSqlite.of_container("plex", (1000, 1001), docker)
    assert check.integrity_check(tmp_path / "library.db") == ()
    ran = list(asked[1])
    assert ran[-3:] == ["sha256:1234", "/v/library.db", "PRAGMA integrity_check;"]
    assert f"{tmp_path}:/v" in ran and "1000:1001" in ran and ran[ran.index("--network") + 1] == "none"


def test_a_native_program_gets_the_path_itself(tmp_path: Path):
    program = tmp_path / "Plex SQLite"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nprint('ok' if sys.argv[1].endswith('a b.db') else sys.argv)"
    )
    program.chmod(0o755)
    assert PlexSqlite.native(str(program), run).integrity_check(tmp_path / "a b.db") == ()

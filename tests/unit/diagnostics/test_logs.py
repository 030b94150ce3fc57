"""Logs come out whole where they can, masked always, and say what is missing."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from medialift.diagnostics import logs
from medialift.errors import Permanent
from medialift.foundation import archive
from medialift.foundation.process import Completed


def journal_of(text: str):
    return lambda argv: Completed(tuple(argv), 0, out=text)


def contents(path: Path, into: Path) -> dict[str, str]:
    with path.open("rb") as file:
        archive.extract(io.BytesIO(file.read()), into)
    return {
        str(one.relative_to(into)): one.read_text()
        for one in into.rglob("*")
        if one.is_file() and "medialift/" not in str(one.relative_to(into))
    }


def test_files_and_journals_are_packed_and_secrets_are_masked(tmp_path):
    log = tmp_path / "plex" / "Plex Media Server.log"
    log.parent.mkdir()
    log.write_text("GET /library?X-Plex-Token=abcdefgh12345 done, key hunter22\n")
    told = logs.collect(
        logs.Sources(files=[f"{tmp_path}/plex/*.log"], units=["plex.service"], secrets=["hunter22"]),
        name="burst",
        runner=journal_of("claim-abcdef123456 was used"),
        folder=tmp_path / "out",
    )
    found = contents(Path(told["url"]), tmp_path / "unpacked")
    assert told["members"] == 2
    assert set(found) == {"journal/plex.service.log", f"files/{str(log).lstrip('/')}"}
    text = "".join(found.values())
    assert "GET /library" in text and "was used" in text
    assert not any(secret in text for secret in ("abcdefgh12345", "hunter22", "claim-abcdef"))


def test_a_broken_source_does_not_cost_the_others(tmp_path):
    (tmp_path / "a.log").write_text("fine\n")

    def broken(argv):
        raise Permanent("A program is missing", argv[0])

    told = logs.collect(
        logs.Sources(files=[f"{tmp_path}/*.log"], units=["plex.service"]),
        name="burst",
        runner=broken,
        folder=tmp_path / "out",
    )
    found = contents(Path(told["url"]), tmp_path / "unpacked")
    assert "could not be read" in found["journal/plex.service.log"]
    assert "fine\n" in found.values()


def test_only_the_newest_part_of_a_huge_log_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "KEPT", 100)
    (tmp_path / "a.log").write_text("".join(f"line {number}\n" for number in range(100)))
    told = logs.collect(
        logs.Sources(files=[f"{tmp_path}/*.log"]), name="x", runner=journal_of(""), folder=tmp_path / "out"
    )
    (text,) = contents(Path(told["url"]), tmp_path / "unpacked").values()
    assert text.endswith("line 99\n") and "line 0\n" not in text and "cut" in text


def test_logs_go_to_exactly_one_place(tmp_path):
    with pytest.raises(Permanent, match="exactly one place"):
        logs.collect(logs.Sources(), name="x", runner=journal_of(""))

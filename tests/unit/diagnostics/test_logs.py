"""Logs come out whole where they can, masked always, and say what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from medialift.diagnostics import logs
from medialift.diagnostics.logs import Sources, StorePlace, collect
from medialift.diagnostics.part import Limits, Part, Source
from medialift.errors import Permanent, Transient
from medialift.foundation.process import Completed
from tests.logs_world import Opened
from tests.store_world import StoreWorld


@pytest.fixture
def store(store_of_test: StoreWorld) -> StoreWorld:
    return store_of_test


def journal_of(text: str):
    return lambda argv: Completed(tuple(argv), 0, out=text)


def place(store: StoreWorld) -> StorePlace:
    return StorePlace(store.store, store.bucket, "plex/logs")


def some(tmp_path: Path, text: str = "fine\n") -> Sources:
    (tmp_path / "a.log").write_text(text)
    return Sources(files=[f"{tmp_path}/*.log"])


def test_files_and_journals_are_packed_and_secrets_are_masked(tmp_path):
    log = tmp_path / "plex" / "Plex Media Server.log"
    log.parent.mkdir()
    log.write_text("GET /library?X-Plex-Token=abcdefgh12345 done, key hunter22\n")
    collected = collect(
        Sources(files=[f"{tmp_path}/plex/*.log"], units=["plex.service"], secrets=["hunter22"]),
        name="burst",
        runner=journal_of("claim-abcdef123456 was used"),
        folder=tmp_path / "out",
    )
    found = Opened(Path(collected.path), tmp_path / "unpacked")
    assert set(found.members) == {"journal/plex.service.log", f"files/{str(log).lstrip('/')}"}
    assert [one["name"] for one in found.told] == [part.name for part in collected.parts]
    assert "GET /library" in found.text and "was used" in found.text
    assert not any(secret in found.text for secret in ("abcdefgh12345", "hunter22", "claim-abcdef"))
    assert Path(collected.path).stat().st_mode & 0o077 == 0


def test_a_broken_source_does_not_cost_the_others_and_says_what_is_missing(tmp_path):
    def broken(argv):
        raise Permanent("A program is missing", argv[0])

    def defective(_left):
        yield Part("host/a.txt", "first\n")
        raise KeyError("a defect, with password=hunter22 in it")

    collected = collect(
        Sources(files=some(tmp_path).files, units=["plex.service"], more=[Source("host/all.txt", defective)]),
        name="burst",
        runner=broken,
        folder=tmp_path / "out",
    )
    found = Opened(Path(collected.path), tmp_path / "unpacked")
    assert "A program is missing: journalctl" in found.missing()["journal/plex.service.log"]
    assert "KeyError" in found.missing()["host/all.txt"]
    assert found.of_file(tmp_path / "a.log") == "fine\n" and found.members["host/a.txt"] == "first\n"
    assert "hunter22" not in found.text + str(found.told)
    assert collected.to_dict()["missing"] == ["host/all.txt", "journal/plex.service.log"]


def test_a_unit_that_never_ran_has_an_empty_journal_and_one_that_cannot_be_read_says_so(tmp_path):
    def journalctl(argv):
        never = argv[-1] == "rclone-*"
        why = "Failed to add filter for units: No data available" if never else "Permission denied"
        return Completed(tuple(argv), 1, err=f"{why}\n")

    collected = collect(
        Sources(units=["rclone-*", "plex.service"]), name="x", runner=journalctl, folder=tmp_path / "out"
    )
    found = Opened(Path(collected.path), tmp_path / "u")
    assert found.members["journal/rclone-_.log"] == ""
    assert "Permission denied" in found.missing()["journal/plex.service.log"]
    assert set(found.missing()) == {"journal/plex.service.log"}


def test_only_the_newest_part_of_a_huge_log_is_kept_in_whole_lines(tmp_path):
    lines = [f"line {number} with password=verysecret{number}\n" for number in range(1000)]
    sources = some(tmp_path, "".join(lines))
    collected = collect(
        Sources(files=sources.files, units=["plex.service"]),
        name="x",
        runner=journal_of("".join(lines)),
        folder=tmp_path / "out",
        limits=Limits(part=5000),
    )
    found = Opened(Path(collected.path), tmp_path / "unpacked")
    for text in found.members.values():
        assert len(text) < 6000
        first, second, *_, last = text.splitlines()
        assert "cut here" in first and second.startswith("line ") and last.startswith("line 999 ")
    assert "verysecret" not in found.text


def test_a_collection_is_bounded_as_a_whole_and_says_what_it_left_out(tmp_path):
    for number in range(6):
        (tmp_path / f"{number}.log").write_text("x\n" * 500)
    collected = collect(
        Sources(files=[f"{tmp_path}/*.log"], units=["late.service"]),
        name="x",
        runner=journal_of("y" * 900),
        folder=tmp_path / "out",
        limits=Limits(whole=2500),
    )
    assert sum(part.bytes for part in collected.parts) < 4000
    assert any("had to end" in part.missing for part in collected.parts)


def test_a_collection_ends_in_time_whatever_its_sources_do(tmp_path):
    class Clock:
        at = 0.0

        def monotonic(self):
            return self.at

    from medialift.diagnostics.part import gathered

    clock = Clock()

    def slow(left):
        assert left <= 10
        clock.at += 7
        yield Part("slow", "1")

    sources = [Source("a", slow), Source("b", slow), Source("c", slow)]
    told = list(gathered(sources, Limits(seconds=10), clock))
    assert [part.content for part in told][:1] == ["1"]
    assert [bool(part.missing) for part in told] == [False, True, True]
    assert told[2].name == "c" and "10 s were over" in told[2].missing


def test_two_parts_of_one_name_are_both_kept(tmp_path):
    twice = Source("a", lambda _left: [Part("a", "1"), Part("a", "2")])
    collected = collect(Sources(more=[twice]), name="x", runner=journal_of(""), folder=tmp_path / "out")
    assert Opened(Path(collected.path), tmp_path / "u").members == {"a": "1", "a.2": "2"}


def test_logs_go_somewhere(tmp_path):
    with pytest.raises(Permanent, match="go somewhere"):
        collect(Sources(), name="x", runner=journal_of(""))


def test_logs_go_to_the_store_and_stay_on_the_host(tmp_path, store):
    collected = collect(
        some(tmp_path), name="x", runner=journal_of(""), folder=tmp_path / "out", store=place(store)
    )
    assert collected.url == f"s3://{store.bucket}/plex/logs/x.tar.zst" and collected.problems == ()
    assert store.content("plex/logs/x.tar.zst") == Path(collected.path).read_bytes()
    assert len(store.content("plex/logs/x.tar.zst")) == collected.written.bytes


@pytest.mark.parametrize("fault", ["status403", "refuse"])
def test_a_store_that_fails_does_not_cost_the_copy_on_the_host_and_is_told(tmp_path, store, fault):
    with store.faults.active(fault):
        collected = collect(
            some(tmp_path), name="x", runner=journal_of(""), folder=tmp_path / "out", store=place(store)
        )
    [problem] = collected.problems
    assert "store" in problem
    assert collected.url == "" and collected.to_dict()["url"] == collected.path
    assert Opened(Path(collected.path), tmp_path / "u").of_file(tmp_path / "a.log") == "fine\n"


def test_a_disk_that_takes_nothing_does_not_cost_the_copy_in_the_store_and_is_told(tmp_path, store):
    # Root may write everywhere but into what is no folder.
    (tmp_path / "out").write_text("in the way")
    collected = collect(
        some(tmp_path), name="x", runner=journal_of(""), folder=tmp_path / "out", store=place(store)
    )
    [problem] = collected.problems
    assert "could not be written" in problem and str(tmp_path / "out") in problem
    opened = Opened(store.content("plex/logs/x.tar.zst"), tmp_path / "u")
    assert opened.of_file(tmp_path / "a.log") == "fine\n"
    assert len(store.content("plex/logs/x.tar.zst")) == collected.written.bytes


def test_when_both_ways_fail_both_are_told_and_nothing_is_left_half_done(tmp_path, store):
    (tmp_path / "out").write_text("in the way")
    with store.faults.active("status503"), pytest.raises(Transient, match="nowhere") as error:
        collect(some(tmp_path), name="x", runner=journal_of(""), folder=tmp_path / "out", store=place(store))
    assert "could not be written" in str(error.value) and "store is busy" in str(error.value)
    assert store.keys() == [] and store.unfinished_uploads() == []


def test_settings_that_are_wrong_do_not_keep_the_logs_from_coming_out_nor_let_a_secret_out(
    tmp_path, monkeypatch
):
    settings = tmp_path / "medialift.toml"
    settings.write_text('[store]\nbuckett = "x"\nsecret_key = "not-to-be-seen"\n')
    monkeypatch.setenv("MEDIALIFT_CONFIG", str(settings))
    collected = logs.collect_here(
        some(tmp_path, "said not-to-be-seen\n"), name="x", folder=tmp_path / "out", store=True
    )
    found = Opened(Path(collected.path), tmp_path / "u")
    assert "buckett" in found.missing()["host/settings.json"]
    assert "buckett" in collected.problems[0]
    assert "not-to-be-seen" not in found.text + str(collected)

"""Books into libraries: real folders, hard links, rclone, rsync, and servers that are told of them."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import sys
import time
from pathlib import Path, PurePosixPath
from threading import Event

import pytest

from medialift.audiobooks import manifest as intake
from medialift.audiobooks.delivery import approve, deliver, failure
from medialift.audiobooks.delivery.library import Limits
from medialift.audiobooks.delivery.rclone import RcloneLibrary
from medialift.audiobooks.manifest import Need
from medialift.errors import Permanent, Transient, Unsafe
from medialift.foundation.backoff import Patience
from sandbox.audiobookshelf import TOKEN, USER_TOKEN
from sandbox.audiobookshelf.server import Audiobookshelf
from sandbox.bookservers import BookServer, served, text
from sandbox.jellyfin import API_KEY
from sandbox.jellyfin.server import Jellyfin
from sandbox.settings import ACCESS_KEY, SECRET_KEY
from tests.delivery_world import converted, cover, renamed, settings, tell

SOON = Patience(limit=4, at_most=10.0, first=0.01, longest=0.05, jitter=0.0)
BOOK = "Ada Example/Harbour Tales/02 - The Lighthouse Ledger/02 - The Lighthouse Ledger.m4b"
RCLONE = str(Path(sys.executable).with_name("rclone"))


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "library"
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path):
    return converted(tmp_path / "converted")


def files(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Everything in a folder: its content, its time and its number on the disk."""
    return {
        str(one.relative_to(folder)): (one.read_bytes(), one.stat().st_mtime_ns, one.stat().st_ino)
        for one in folder.rglob("*")
        if one.is_file()
    }


def named(folder: Path) -> list[str]:
    return sorted(files(folder))


def token(tmp_path: Path, value: str) -> str:
    file = tmp_path / "token"
    file.write_text(f"{value}\n")
    file.chmod(0o600)
    return str(file)


# Wrong and awkward first.


def test_a_different_book_of_the_same_name_is_refused_and_stays_as_it_is(tmp_path, library, home):
    wanted = settings(tmp_path, main={"path": str(library)})
    (library / BOOK).parent.mkdir(parents=True)
    (library / BOOK).write_bytes(b"another book")
    before = files(library)
    [done] = deliver(home, wanted)
    assert (done.state, type(done.error)) == ("failed", Unsafe)
    assert files(library) == before
    manifest = intake.read(home)
    assert manifest.codes == ("delivery_failed",)
    assert manifest.deliveries["main"].state == "failed"
    assert "A different book of this name is in the library" in manifest.needs_person[0].text

    (library / BOOK).unlink()
    [done] = deliver(home, wanted)
    assert done.state == "delivered"
    assert intake.read(home).needs_person == () and intake.read(home).next_action == "none"


def test_a_book_that_a_person_changed_in_the_library_is_never_replaced(tmp_path, library, home):
    wanted = settings(tmp_path, main={"path": str(library)})
    deliver(home, wanted)
    tell(library / BOOK, title="As I like it")
    mine = (library / BOOK).read_bytes()
    tell(home / "book.m4b", title="Tagged again")
    [done] = deliver(home, wanted)
    assert isinstance(done.error, Unsafe)
    assert (library / BOOK).read_bytes() == mine


def test_other_audio_in_the_folder_of_a_book_is_not_joined_with_it(tmp_path, library, home):
    other = (library / BOOK).with_name("chapter 1.mp3")
    other.parent.mkdir(parents=True)
    other.write_bytes(b"an older edition")
    [done] = deliver(home, settings(tmp_path, main={"path": str(library)}))
    assert isinstance(done.error, Unsafe)
    assert "chapter 1.mp3" in done.error.subject
    assert not (library / BOOK).exists()


def test_a_library_whose_mount_is_away_is_waited_for_and_not_made(tmp_path, home):
    gone = tmp_path / "mount"
    [done] = deliver(home, settings(tmp_path, main={"path": str(gone)}))
    assert isinstance(failure([done]), Transient)
    assert not gone.exists()
    assert intake.read(home).next_action == "deliver"


def test_a_library_that_may_not_be_written_is_for_a_person(tmp_path, library, home):
    (library / "Ada Example").write_text("a file where a folder is to be")
    [done] = deliver(home, settings(tmp_path, main={"path": str(library)}))
    assert isinstance(done.error, Permanent)
    assert named(library) == ["Ada Example"]


def test_one_library_that_fails_does_not_keep_the_others_from_the_book(tmp_path, library, home):
    wanted = settings(tmp_path, away={"path": str(tmp_path / "none")}, main={"path": str(library)})
    away, main = deliver(home, wanted)
    assert (away.state, main.state) == ("failed", "delivered")
    before = files(library)

    (tmp_path / "none").mkdir()
    away, main = deliver(home, wanted)
    assert (away.state, main.state) == ("delivered", "unchanged")
    assert files(library) == before
    records = intake.read(home).deliveries
    assert (records["away"].attempts, records["main"].attempts) == (2, 1)


def test_a_delivery_that_is_stopped_leaves_nothing_half(tmp_path, library, home):
    stop = Event()
    stop.set()
    [done] = deliver(home, settings(tmp_path, main={"path": str(library)}), stop=stop)
    assert isinstance(done.error, Transient)
    assert named(library) == []


def test_a_copy_that_a_crash_left_half_is_made_whole(tmp_path, library, home):
    wanted = settings(tmp_path, main={"path": str(library), "sidecars": []})
    deliver(home, wanted)
    (library / BOOK).unlink()
    short = hashlib.sha256((library / BOOK).name.encode()).hexdigest()[:16]
    (library / BOOK).with_name(f".medialift-{short}.part").write_bytes(b"half")
    deliver(home, wanted)
    assert named(library) == [BOOK]
    assert (library / BOOK).read_bytes() == (home / "book.m4b").read_bytes()


def test_an_unknown_destination_is_refused(tmp_path, library, home):
    with pytest.raises(Permanent, match="no such destination"):
        deliver(home, settings(tmp_path, main={"path": str(library)}), destinations=["mian"])


def test_a_hard_link_across_file_systems_is_refused_with_what_to_do(tmp_path, home):
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    target = memory / f"medialift-{os.getpid()}"
    target.mkdir()
    try:
        [done] = deliver(
            home, settings(tmp_path, main={"path": str(target), "transfer": "hardlink", "sidecars": []})
        )
        assert isinstance(done.error, Permanent)
        assert "copy" in done.error.hint
        assert named(target) == []
    finally:
        shutil.rmtree(target)


# As it should be.


def test_the_same_book_delivered_twice_changes_nothing(tmp_path, library, home):
    wanted = settings(tmp_path, main={"path": str(library)})
    [first] = deliver(home, wanted)
    assert (first.state, first.path) == ("delivered", str(library / BOOK))
    assert first.bytes == sum(one.stat().st_size for one in library.rglob("*.*") if one.is_file())
    assert named(library) == sorted([BOOK, str(Path(BOOK).with_name("cover.jpg"))])
    assert (library / BOOK).read_bytes() == (home / "book.m4b").read_bytes()
    assert (library / BOOK).with_name("cover.jpg").read_bytes() == cover()
    before, manifest = files(library), (home / "intake.json").read_bytes()
    [second] = deliver(home, wanted)
    assert (second.state, second.bytes) == ("unchanged", 0)
    assert files(library) == before
    assert (home / "intake.json").read_bytes() == manifest


def test_the_book_that_is_there_already_is_known_without_a_record(tmp_path, library, home):
    wanted = settings(tmp_path, main={"path": str(library)})
    deliver(home, wanted)
    before = files(library)
    intake.write(home, intake.read(home).changed(deliveries={}))
    [done] = deliver(home, wanted)
    assert (done.state, done.bytes) == ("delivered", 0)
    assert files(library) == before


def test_a_book_that_was_tagged_again_takes_the_place_of_our_own_copy(tmp_path, library, home):
    wanted = settings(tmp_path, main={"path": str(library)})
    deliver(home, wanted)
    tell(home / "book.m4b", title="The Lighthouse Ledger (Revised)")
    [done] = deliver(home, wanted)
    assert done.state == "delivered"
    assert (library / BOOK).read_bytes() == (home / "book.m4b").read_bytes()
    assert len(named(library)) == 2


def test_a_book_with_another_name_than_before_leaves_the_old_one_to_a_person(tmp_path, library, home):
    wanted = settings(tmp_path, main={"path": str(library), "sidecars": []})
    deliver(home, wanted)
    renamed(home, "The Ledger")
    [done] = deliver(home, wanted)
    assert named(library) == ["Ada Example/Harbour Tales/02 - The Ledger/02 - The Ledger.m4b", BOOK]
    assert "The Lighthouse Ledger" in done.told[0]


def test_a_folder_that_differs_by_case_or_accents_only_is_the_author_s(tmp_path, library):
    (library / "ZOE\u0301 EXAMPLE" / "harbour tales").mkdir(parents=True)
    home = converted(tmp_path / "converted", authors=("Zo\u00e9 Example",))
    deliver(home, settings(tmp_path, main={"path": str(library), "sidecars": []}))
    assert [one.name for one in library.iterdir()] == ["ZOE\u0301 EXAMPLE"]
    assert [one.name for one in (library / "ZOE\u0301 EXAMPLE").iterdir()] == ["harbour tales"]


def test_a_hard_link_takes_no_space(tmp_path, library, home):
    wanted = settings(tmp_path, main={"path": str(library), "transfer": "hardlink"})
    deliver(home, wanted)
    assert (library / BOOK).samefile(home / "book.m4b")
    # What was written for this delivery only is a file of its own.
    assert (library / BOOK).with_name("cover.jpg").stat().st_nlink == 1
    assert deliver(home, wanted)[0].state == "unchanged"


def test_each_destination_has_its_own_names_and_files(tmp_path, library, home):
    plex = {"path": str(library), "naming": "{author}/{title} [{asin}]/{title}.m4b"}
    every = ["cover", "description", "narrator", "metadata_json", "manifest"]
    shelf = {"path": str(library), "naming": "shelf/{title}", "sidecars": every}
    deliver(home, settings(tmp_path, plex={**plex, "sidecars": []}, shelf=shelf))
    found = named(library)
    assert "Ada Example/The Lighthouse Ledger [B0TEST0001]/The Lighthouse Ledger.m4b" in found
    beside = library / "shelf/The Lighthouse Ledger"
    assert sorted(one.name for one in beside.iterdir()) == [
        "The Lighthouse Ledger.m4b",
        "cover.jpg",
        "intake.json",
        "metadata.json",
        "reader.txt",
    ]
    told = json.loads((beside / "metadata.json").read_text())
    assert (told["title"], told["series"], told["narrators"]) == (
        "The Lighthouse Ledger",
        ["Harbour Tales #2"],
        ["Nora Voice"],
    )


def test_a_picture_that_a_person_put_there_stays(tmp_path, library, home):
    wanted = settings(tmp_path, main={"path": str(library)})
    deliver(home, wanted)
    (library / BOOK).with_name("cover.jpg").write_bytes(b"a nicer one")
    [done] = deliver(home, wanted)
    assert done.error is None
    assert (library / BOOK).with_name("cover.jpg").read_bytes() == b"a nicer one"


# Approval.


def test_a_book_that_is_held_goes_when_a_person_approves_it(tmp_path, library, home):
    wanted = settings(
        tmp_path,
        main={"path": str(library), "approve": True},
        free={"path": str(library), "naming": "free/{title}"},
    )
    main, free = deliver(home, wanted)
    assert (main.state, free.state) == ("held", "delivered")
    assert intake.read(home).next_action == "approve"
    assert not (library / BOOK).exists()
    approve(home, wanted, by="ada", now=0.0, destinations=["main"])
    main, free = deliver(home, wanted)
    assert (main.state, free.state) == ("delivered", "unchanged")
    assert intake.read(home).next_action == "none"


def test_a_book_that_needs_a_person_is_not_let_into_a_library(tmp_path, library, home):
    now = intake.read(home)
    intake.write(home, now.changed(needs_person=(Need(code="missing_asin", text="The ASIN is missing"),)))
    wanted = settings(tmp_path, main={"path": str(library)})
    [done] = deliver(home, wanted)
    assert (done.state, "The ASIN is missing" in done.told[0]) == ("held", True)
    assert intake.read(home).next_action == "review"
    approve(home, wanted, by="ada", now=0.0)
    assert deliver(home, wanted)[0].state == "delivered"


# rclone and rsync.


def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> str:
    """A remote of rclone in a configuration of the test's: plain, or one that keeps no hashes."""
    cloud = tmp_path / "cloud"
    cloud.mkdir()
    lines = ["[plain]", "type = alias", f"remote = {cloud}"]
    # What `rclone obscure` makes of a word, of which any will do.
    lines += ["[crypt]", "type = crypt", f"remote = {cloud}", "password = M_ke2V1b7mD5hC2nBzlN0uwXyvkJSA"]
    (tmp_path / "rclone.conf").write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("RCLONE_CONFIG", str(tmp_path / "rclone.conf"))
    return f"{name}:"


@pytest.mark.parametrize("name", ["plain", "crypt"])
def test_rclone_brings_a_book_once_and_refuses_another(tmp_path, monkeypatch, home, name):
    root = f"{remote(tmp_path, monkeypatch, name)}books"
    wanted = settings(tmp_path, main={"path": root, "transfer": "rclone"}).model_copy(
        update={"rclone": RCLONE}
    )
    [done] = deliver(home, wanted)
    assert (done.state, done.error) == ("delivered", None)
    assert done.path == f"{root}/{BOOK}"
    if name == "plain":
        assert (tmp_path / "cloud/books" / BOOK).read_bytes() == (home / "book.m4b").read_bytes()
    before = files(tmp_path / "cloud")
    assert deliver(home, wanted)[0].state == "unchanged"
    assert files(tmp_path / "cloud") == before

    tell(home / "book.m4b", title="Tagged again")
    assert deliver(home, wanted)[0].state == "delivered"
    intake.write(home, intake.read(home).changed(deliveries={}))
    tell(home / "book.m4b", title="Unrelated")
    assert isinstance(deliver(home, wanted)[0].error, Unsafe)


def test_rclone_itself_changes_no_book_that_came_to_be_there_in_the_meantime(tmp_path, home):
    cloud = RcloneLibrary(str(tmp_path / "cloud"), Limits(time.monotonic() + 60), RCLONE)
    (tmp_path / "cloud").mkdir()
    (tmp_path / "cloud" / "x.m4b").write_text("another book")
    with pytest.raises(Unsafe):
        cloud.put(PurePosixPath("x.m4b"), home / "book.m4b", replace=False)
    assert (tmp_path / "cloud" / "x.m4b").read_text() == "another book"


def test_a_store_of_objects_gets_a_book_once_and_keeps_its_hash(tmp_path, monkeypatch, home, store_of_test):
    store = store_of_test
    lines = ["[cloud]", "type = s3", "provider = Other", f"endpoint = {store.direct}", "region = us-east-1"]
    lines += [f"access_key_id = {ACCESS_KEY}", f"secret_access_key = {SECRET_KEY}", "no_check_bucket = true"]
    (tmp_path / "rclone.conf").write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("RCLONE_CONFIG", str(tmp_path / "rclone.conf"))
    root = f"cloud:{store.bucket}/books"
    wanted = settings(tmp_path, main={"path": root, "transfer": "rclone"}).model_copy(
        update={"rclone": RCLONE}
    )
    [done] = deliver(home, wanted)
    assert (done.state, done.error) == ("delivered", None)
    assert store.content(f"books/{BOOK}") == (home / "book.m4b").read_bytes()
    found = intake.read(home).deliveries["main"].model_extra["fingerprints"]
    assert found[Path(BOOK).name] == f"md5:{hashlib.md5((home / 'book.m4b').read_bytes()).hexdigest()}"
    assert deliver(home, wanted)[0].state == "unchanged"

    gone = settings(tmp_path, main={"path": "cloud:no-such-bucket/books", "transfer": "rclone"})
    [done] = deliver(home, gone.model_copy(update={"rclone": RCLONE}))
    assert isinstance(done.error, Permanent)
    assert SECRET_KEY not in str(done.error)


def test_what_is_wrong_with_a_remote_is_told_apart(tmp_path, monkeypatch, home):
    remote(tmp_path, monkeypatch, "plain")
    wanted = settings(tmp_path, main={"path": "nosuch:books", "transfer": "rclone"}).model_copy(
        update={"rclone": RCLONE}
    )
    assert isinstance(deliver(home, wanted)[0].error, Permanent)
    monkeypatch.setenv("RCLONE_CONFIG", "/dev/null")
    away = ":sftp,host=127.0.0.1,port=1,user=nobody:books"
    wanted = settings(tmp_path, main={"path": away, "transfer": "rclone"}).model_copy(
        update={"rclone": RCLONE}
    )
    assert isinstance(deliver(home, wanted)[0].error, Transient)


@pytest.mark.parametrize("far", [True, False])
def test_rsync_brings_a_book_once_and_refuses_another(tmp_path, monkeypatch, library, far):
    # What ssh does, without a host: the rest of its words run in a shell.
    shell = tmp_path / "shell"
    shell.write_text('#!/bin/sh\nshift\nexec sh -c "$*"\n')
    shell.chmod(0o755)
    monkeypatch.setenv("RSYNC_RSH", str(shell))
    home = converted(tmp_path / "converted", title='What\'s [the] "Ledger" é')
    root = f"host:{library}" if far else str(library)
    wanted = settings(
        tmp_path, main={"path": root, "transfer": "rsync", "naming": "{author}/{title} [{asin}]"}
    )
    [done] = deliver(home, wanted)
    assert (done.state, done.error) == ("delivered", None)
    name = "What's [the] 'Ledger' é [B0TEST0001]"
    assert (library / "Ada Example" / name / f"{name}.m4b").read_bytes() == (home / "book.m4b").read_bytes()
    before = files(library)
    assert deliver(home, wanted)[0].state == "unchanged"
    assert files(library) == before

    tell(home / "book.m4b", title="Tagged again")
    assert deliver(home, wanted)[0].state == "delivered"
    intake.write(home, intake.read(home).changed(deliveries={}))
    tell(home / "book.m4b", title="Unrelated")
    assert isinstance(deliver(home, wanted)[0].error, Unsafe)

    shutil.rmtree(library)
    assert isinstance(deliver(home, wanted)[0].error, Transient)
    assert not library.exists()


def test_a_host_that_does_not_answer_rsync_is_waited_for(tmp_path, monkeypatch, home):
    monkeypatch.setenv("RSYNC_RSH", "false")
    wanted = settings(tmp_path, main={"path": "host:/srv/books", "transfer": "rsync"})
    assert isinstance(deliver(home, wanted)[0].error, Transient)


# Servers.


def shelf(tmp_path: Path, library: Path, url: str, value: str = TOKEN, **more: str) -> dict[str, str]:
    return {
        "path": str(library),
        "rescan": "audiobookshelf",
        "rescan_url": url,
        "rescan_library": "main",
        "rescan_token_file": token(tmp_path, value),
        **more,
    }


def test_audiobookshelf_has_the_book_after_a_delivery(tmp_path, library, home, caplog):
    caplog.set_level(logging.DEBUG)
    server = Audiobookshelf({"main": library})
    with served(server) as url:
        wanted = settings(tmp_path, main=shelf(tmp_path, library, url))
        [done] = deliver(home, wanted, patience=SOON)
        assert (done.state, done.told) == ("delivered", ())
        deliver(home, wanted, patience=SOON)
    [item] = server.found["main"]
    assert (item["relPath"], item["media"]["numTracks"]) == (str(Path(BOOK).parent), 1)
    assert item["media"]["metadata"]["seriesName"] == "Harbour Tales"
    assert item["media"]["coverPath"] == "cover.jpg"
    assert [(one.method, one.path) for one in server.calls] == [("POST", "/api/libraries/main/scan")]
    assert TOKEN not in caplog.text
    assert TOKEN not in (home / "intake.json").read_text()


def test_a_server_that_is_away_for_a_moment_is_asked_again(tmp_path, library, home):
    server = Audiobookshelf({"main": library})
    server.trouble(status=503, times=2)
    with served(server) as url:
        [done] = deliver(home, settings(tmp_path, main=shelf(tmp_path, library, url)), patience=SOON)
    assert done.told == ()
    assert len(server.calls) == 3


@pytest.mark.parametrize(
    ("trouble", "calls"), [({"status": 500}, 4), ({"hang_up": True}, 4), ({"status": 302}, 1)]
)
def test_a_server_that_stays_away_is_told_of_and_fails_no_delivery(tmp_path, library, home, trouble, calls):
    server = Audiobookshelf({"main": library})
    server.trouble(**trouble)
    with served(server) as url:
        wanted = settings(tmp_path, main=shelf(tmp_path, library, url))
        [done] = deliver(home, wanted, patience=SOON)
        assert (done.state, done.error) == ("delivered", None)
        assert "audiobookshelf was not told" in done.told[0]
        assert len(server.calls) == calls
        assert intake.read(home).deliveries["main"].rescan == "failed"

        server.reset()
        before = files(library)
        [again] = deliver(home, wanted, patience=SOON)
        assert (again.told, len(server.calls)) == ((), 1)
        assert files(library) == before
        assert intake.read(home).deliveries["main"].rescan == "told"


@pytest.mark.parametrize(("value", "hint"), [("wrong", "Check the token"), (USER_TOKEN, "administrator")])
def test_a_token_that_does_not_serve_is_told_with_what_to_do(tmp_path, library, home, value, hint):
    with served(Audiobookshelf({"main": library})) as url:
        [done] = deliver(home, settings(tmp_path, main=shelf(tmp_path, library, url, value)), patience=SOON)
    assert done.state == "delivered"
    assert hint in done.told[0]
    assert value not in done.told[0]


def test_a_token_that_others_can_read_is_not_sent(tmp_path, library, home):
    server = Audiobookshelf({"main": library})
    with served(server) as url:
        wanted = settings(tmp_path, main=shelf(tmp_path, library, url))
        (tmp_path / "token").chmod(0o644)
        [done] = deliver(home, wanted, patience=SOON)
    assert server.calls == []
    assert "chmod 600" in done.told[0]


def test_jellyfin_refreshes_its_library(tmp_path, library, home):
    server = Jellyfin(library)
    with served(server) as url:
        jellyfin = {"path": str(library), "rescan": "jellyfin", "rescan_url": url}
        wanted = settings(tmp_path, main={**jellyfin, "rescan_token_file": token(tmp_path, API_KEY)})
        [done] = deliver(home, wanted, patience=SOON)
    assert (done.told, server.found) == ((), [library / BOOK])


def test_plex_is_told_the_folder_as_it_sees_it(tmp_path, library, home):
    server = BookServer(
        lambda request: text("", 200 if request.headers.get("x-plex-token") == "secret" else 401)
    )
    with served(server) as url:
        plex = {"path": str(library), "rescan": "plex", "rescan_url": url, "rescan_library": "7"}
        plex |= {"rescan_path": "/data/books/", "rescan_token_file": token(tmp_path, "secret")}
        [done] = deliver(home, settings(tmp_path, main=plex), patience=SOON)
    assert done.told == ()
    [call] = server.calls
    assert (call.path, dict(call.query)) == (
        "/library/sections/7/refresh",
        {"path": f"/data/books/{Path(BOOK).parent}"},
    )


def test_a_webhook_hears_of_the_book_with_its_manifest(tmp_path, library, home):
    server = BookServer(lambda _request: text("", 200))
    with served(server) as url:
        hook = {"path": str(library), "rescan": "webhook", "rescan_url": f"{url}/hooks/books"}
        [done] = deliver(
            home, settings(tmp_path, main={**hook, "rescan_token_file": token(tmp_path, "secret")})
        )
    [call] = server.calls
    told = json.loads(call.body)
    assert (call.method, call.path, call.headers["authorization"]) == (
        "POST",
        "/hooks/books",
        "Bearer secret",
    )
    assert (told["event"], told["destination"], told["path"]) == ("delivered", "main", done.path)
    assert told["manifest"]["tagging"]["metadata"]["title"] == "The Lighthouse Ledger"

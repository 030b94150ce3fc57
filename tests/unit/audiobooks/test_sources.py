"""Sources leave the inbox only when they are what the book was made of, and never over anything."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from medialift.audiobooks import inbox, moving, sources
from medialift.errors import Transient
from medialift.foundation.waiting import wait_until
from tests.audiobook_folders import being_nobody, later, lay, reachable, settings_of, tracks

BOOK = {"CD1": tracks(1, 2), "CD2": tracks(1), "cover.jpg": 7, "booklet.pdf": 9, ".DS_Store": 1}


@pytest.fixture(params=["one file system", "two file systems"])
def settings(request, tmp_path, other_file_system):
    """Everything on one file system, or archive, backup and failed on another."""
    if request.param == "one file system":
        return settings_of(tmp_path)
    return settings_of(tmp_path).model_copy(
        update={
            "archive": other_file_system / "archive",
            "backup_folder": other_file_system / "backup",
            "failed": other_file_system / "failed",
        }
    )


def taken(settings, tree, key=None):
    """The book that this tree in the inbox is."""
    lay(settings.inbox, tree)
    books = {one.key: one for one in inbox.scan(settings, now=later()).books}
    return books[key or next(iter(tree))]


def files(folder: Path):
    """{name below: content} of all files."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def using(settings, on_complete):
    return settings.model_copy(update={"on_complete": on_complete})


def test_an_archived_book_lies_in_the_archive_as_it_lay_in_the_inbox(settings):
    book = taken(settings, {"Ada": {"Sea": BOOK, "Land": tracks(1)}}, "Ada/Sea")
    before = files(book.root)
    assert sources.complete(book, settings) == str(settings.archive / "Ada" / "Sea")
    assert files(settings.archive / "Ada" / "Sea") == before
    assert sorted(path.name for path in settings.inbox.rglob("*")) == ["01 Track.mp3", "Ada", "Land"]


def test_folders_that_are_empty_then_are_removed_but_not_the_inbox(settings):
    book = taken(settings, {"Ada": {"Series": {"1 - Sea": tracks(1)}}}, "Ada/Series/1 - Sea")
    sources.complete(book, settings)
    assert list(settings.inbox.iterdir()) == []


def test_a_folder_above_that_holds_something_stays(settings):
    book = taken(settings, {"Ada": {"author.jpg": 3, "Sea": tracks(1)}}, "Ada/Sea")
    sources.complete(book, settings)
    assert sorted(files(settings.inbox)) == ["Ada/author.jpg"]


def test_a_name_that_is_taken_in_the_archive_gets_a_number(settings):
    lay(settings.archive / "Sea", {"01 Track.mp3": 999})
    lay(settings.archive / "Sea (2)", {"other.mp3": 5})
    book = taken(settings, {"Sea": tracks(1)})
    assert sources.complete(book, settings) == str(settings.archive / "Sea (3)")
    assert (settings.archive / "Sea" / "01 Track.mp3").stat().st_size == 999


def test_a_single_file_is_archived_with_what_is_named_like_it(settings):
    lay(settings.archive, {"Sea.m4b": 999})
    book = taken(settings, {"Sea.m4b": 10, "Sea.jpg": 3, "Land.m4b": 10})
    assert sources.complete(book, settings) == str(settings.archive / "Sea (2).m4b")
    assert sorted(files(settings.archive)) == ["Sea (2).m4b", "Sea.jpg", "Sea.m4b"]
    assert sorted(files(settings.inbox)) == ["Land.m4b"]


def test_what_is_archived_already_is_not_archived_twice(settings):
    book = taken(settings, {"Sea": BOOK})
    shutil.copytree(book.root, settings.archive / "Sea")
    assert sources.complete(book, settings) == str(settings.archive / "Sea")
    assert sorted(path.name for path in settings.archive.iterdir()) == ["Sea"]
    assert list(settings.inbox.iterdir()) == []


def test_a_copy_with_the_same_sizes_and_other_bytes_is_another_one(settings):
    book = taken(settings, {"Sea": tracks(1)})
    lay(settings.archive / "Sea", tracks(1))
    (settings.archive / "Sea" / tracks(1)[0]).write_bytes(b"?" * 100)
    assert sources.complete(book, settings) == str(settings.archive / "Sea (2)")


@pytest.mark.parametrize("on_complete", ["archive", "delete"])
def test_completing_twice_is_completing_once(settings, on_complete):
    settings = using(settings, on_complete)
    book = taken(settings, {"Sea": {**BOOK}})
    first = sources.complete(book, settings)
    assert sources.complete(book, settings) in (first, "")
    assert list(settings.inbox.iterdir()) == []


def test_a_book_that_is_kept_stays(settings):
    settings = using(settings, "keep")
    book = taken(settings, {"Sea": BOOK})
    before = files(settings.inbox)
    assert sources.complete(book, settings) == str(book.root)
    assert files(settings.inbox) == before


def test_a_deleted_book_leaves_behind_only_what_may_be_of_use(settings):
    settings = using(settings, "delete")
    book = taken(settings, {"Sea": {**BOOK, "Bonus": tracks(9)}})
    sources.complete(book, settings)
    assert list(settings.inbox.iterdir()) == []
    assert sorted(files(settings.archive)) == ["Sea/Bonus/09 Track.mp3", "Sea/booklet.pdf"]


def test_a_deleted_file_of_the_inbox_is_gone(settings):
    settings = using(settings, "delete")
    book = taken(settings, {"Sea.m4b": 10, "Sea.jpg": 3})
    assert sources.complete(book, settings) == ""
    assert list(settings.inbox.iterdir()) == []


CHANGES = {
    "another size": lambda root: (root / "CD1" / "01 Track.mp3").write_bytes(b"new"),
    "a track added": lambda root: lay(root / "CD2", tracks(2)),
    "a disc added": lambda root: lay(root / "CD3", tracks(1)),
    "a track removed": lambda root: (root / "CD2" / "01 Track.mp3").unlink(),
    "a track renamed": lambda root: (root / "CD2" / "01 Track.mp3").rename(root / "CD2" / "02 Track.mp3"),
    "the same size later": lambda root: os.utime(root / "CD1" / "01 Track.mp3", (1e9, 1e9)),
    "a download begun": lambda root: lay(root / "CD2", ["02 Track.mp3.part"]),
}


@pytest.mark.parametrize("on_complete", ["archive", "delete"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_book_that_changed_while_it_was_converted_is_left_as_it_is(settings, change, on_complete):
    settings = using(settings, on_complete)
    book = taken(settings, {"Sea": BOOK})
    CHANGES[change](book.root)
    before = files(settings.inbox)
    with pytest.raises(Transient, match="changed"):
        sources.complete(book, settings)
    assert files(settings.inbox) == before
    assert not settings.archive.exists() or files(settings.archive) == {}


def test_a_file_whose_time_alone_was_changed_is_what_its_backup_says_it_is(settings):
    for name, content in (("Sea", None), ("Land", b"?" * 100)):
        book = taken(settings, {name: BOOK})
        sources.back_up(book, settings)
        track = book.root / "CD1" / "01 Track.mp3"
        track.write_bytes(content or track.read_bytes())
        os.utime(track, (1e9, 1e9))
        if content is None:
            assert sources.complete(book, settings) == str(settings.archive / name)
        else:
            with pytest.raises(Transient, match="changed"):
                sources.complete(book, settings)


def test_what_came_beside_a_book_meanwhile_does_not_keep_it(settings):
    book = taken(settings, {"Ada": {"Sea": tracks(1)}}, "Ada/Sea")
    lay(settings.inbox / "Ada", {"cover.jpg": 1, "Land": tracks(1)})
    assert sources.complete(book, settings) == str(settings.archive / "Ada" / "Sea")
    assert sorted(files(settings.inbox)) == ["Ada/Land/01 Track.mp3", "Ada/cover.jpg"]


@pytest.mark.parametrize("on_complete", ["archive", "delete"])
def test_a_picture_that_came_late_stays_while_the_book_goes(settings, on_complete):
    settings = using(settings, on_complete)
    book = taken(settings, {"Sea": BOOK})
    lay(book.root, {"back.jpg": 3, "CD1": {"late.txt": 1}})
    sources.complete(book, settings)
    assert sorted(files(settings.inbox)) == ["Sea/CD1/late.txt", "Sea/back.jpg"]
    if on_complete == "archive":
        assert "Sea/CD2/01 Track.mp3" in files(settings.archive)


def test_of_links_only_the_links_are_moved(settings, tmp_path):
    seeding = lay(tmp_path / "seeding", {"whole": tracks(1, 2), "half": tracks(1)})
    (settings.inbox / "Sea").symlink_to("../seeding/whole")
    lay(settings.inbox / "Land", {"CD1": tracks(1)})
    (settings.inbox / "Land" / "CD2").symlink_to("../../seeding/half")
    before = files(seeding)
    for key in ("Sea", "Land"):
        book = taken(settings, {}, key)
        place = Path(sources.complete(book, settings))
        assert len(files(place)) == 2 or (place / "CD2" / "01 Track.mp3").read_bytes()
    assert files(seeding) == before
    assert list(settings.inbox.iterdir()) == []


def test_a_deleted_link_leaves_alone_what_it_leads_to(settings, tmp_path):
    settings = using(settings, "delete")
    seeding = lay(tmp_path / "seeding", {**BOOK, "Bonus": tracks(1)})
    before = files(seeding)
    (settings.inbox / "Sea").symlink_to(seeding)
    sources.complete(taken(settings, {}, "Sea"), settings)
    assert files(seeding) == before
    assert list(settings.inbox.iterdir()) == []


def test_a_book_below_a_link_stays_where_it_is(settings, tmp_path):
    seeding = lay(tmp_path / "seeding", {"Sea": tracks(1), "Land": tracks(1)})
    (settings.inbox / "Ada").symlink_to(seeding)
    book = taken(settings, {}, "Ada/Sea")
    assert sources.complete(book, settings) == str(book.root)
    assert len(files(seeding)) == 2


def test_a_backup_is_a_copy_of_everything_but_what_is_ignored(settings):
    book = taken(settings, {"Ada": {"Sea": BOOK}}, "Ada/Sea")
    place = sources.back_up(book, settings)
    assert place == settings.backup_folder / "Ada" / "Sea"
    assert files(place) == {name: what for name, what in files(book.root).items() if name != ".DS_Store"}
    assert (place / "cover.jpg").stat().st_mtime == (book.root / "cover.jpg").stat().st_mtime


def test_a_backup_is_made_once(settings):
    book = taken(settings, {"Sea": BOOK, "Land.mp3": 10, "Land.jpg": 1})
    single = taken(settings, {}, "Land.mp3")
    assert sources.back_up(book, settings) == sources.back_up(book, settings)
    assert sources.back_up(single, settings) == sources.back_up(single, settings)
    assert sorted(path.name for path in settings.backup_folder.iterdir()) == ["Land.jpg", "Land.mp3", "Sea"]


def test_another_book_of_the_same_name_has_a_backup_of_its_own(settings):
    lay(settings.backup_folder / "Sea", {"CD1": {"01 Track.mp3": 1}})
    assert sources.back_up(taken(settings, {"Sea": BOOK}), settings) == settings.backup_folder / "Sea (2)"


def test_no_backup_is_made_when_none_is_wanted(settings):
    settings = settings.model_copy(update={"backup": False})
    assert sources.back_up(taken(settings, {"Sea": BOOK}), settings) is None
    assert not settings.backup_folder.exists()


def test_a_backup_for_which_there_is_no_room_is_tried_again(settings):
    book = taken(settings, {"Sea": BOOK})
    with pytest.raises(Transient, match="no room"):
        sources.back_up(book, settings.model_copy(update={"free_space": 10**18}))
    assert files(settings.backup_folder) == {}


def test_a_copy_that_a_crash_cut_off_leaves_nothing_when_it_is_made_again(tmp_path):
    source = lay(tmp_path / "Sea", {f"{n}.mp3": 10 + n for n in range(150)})
    program = (
        "import sys; from pathlib import Path; from medialift.audiobooks import moving;"
        "moving.copy(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    backup = tmp_path / "backup"
    killed(program, source, backup / "Sea", when=lambda: len(list(backup.rglob("*.mp3"))) > 20)
    place = moving.copy(source, backup / "Sea")
    assert files(place) == files(source)
    assert not [path for path in backup.iterdir() if path.name.startswith(".")]


def test_names_of_250_letters_are_moved_and_numbered(settings):
    name = "x" * 250
    for place in ("", " (2)"):
        book = taken(settings, {name: tracks(1)})
        lay(book.root, {"late.jpg": len(place) + 1})
        book = taken(settings, {}, name)
        moved = Path(sources.complete(book, settings))
        assert moved.name.endswith(place) and len(moved.name) <= 255
    assert len(list(settings.archive.iterdir())) == 2


def test_rights_that_are_missing_leave_everything_in_its_place(settings, tmp_path):
    book = taken(settings, {"Sea": tracks(1)})
    reachable(tmp_path)
    settings.archive.mkdir(parents=True, exist_ok=True)
    settings.archive.chmod(0o555)
    settings.inbox.chmod(0o555)
    with being_nobody(), pytest.raises(PermissionError):
        sources.complete(book, settings)
    assert sorted(files(settings.inbox)) == ["Sea/01 Track.mp3"]


def killed(program, *arguments, when):
    """Run a Python program and kill it the moment that something is so, unless it ends before."""
    child = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)])
    assert wait_until(lambda: when() or child.poll() is not None, at_most=60, every=0.002)
    child.kill()
    return child.wait()


def test_a_move_that_a_crash_cut_off_leaves_the_source_in_its_place(tmp_path):
    source = lay(tmp_path / "inbox" / "Sea", tracks(1, 2))
    program = (
        "import os, sys; from pathlib import Path; from medialift.audiobooks import moving;"
        "moving.move(Path(sys.argv[1]), Path(sys.argv[2]), allowed=lambda path: os.kill(os.getpid(), 9))"
    )
    assert killed(program, source, tmp_path / "archive" / "Sea", when=lambda: False) == -9
    assert not source.exists()
    moving.resume(source)
    assert sorted(files(source)) == tracks(1, 2)
    assert files(tmp_path / "archive") == {}


def test_a_crash_while_late_files_are_left_behind_leaves_all_in_its_place(tmp_path):
    """The folder is out of sight, and what came late is in its place already."""
    source = lay(tmp_path / "inbox" / "Sea", {"CD1": [*tracks(1, 2), "late.txt"]})
    before = files(source)
    program = (
        "import os, sys; from pathlib import Path; from medialift.audiobooks import moving;"
        "Path.rename = lambda path, to, real=Path.rename: os.kill(os.getpid(), 9)"
        " if 'archive' in to.parts else real(path, to);"
        "moving.move(Path(sys.argv[1]), Path(sys.argv[2]), stays=['CD1/late.txt'])"
    )
    assert killed(program, source, tmp_path / "archive" / "Sea", when=lambda: False) == -9
    assert sorted(files(source)) == ["CD1/late.txt"]
    moving.resume(source)
    assert files(source) == before
    assert [path.name for path in (tmp_path / "inbox").iterdir()] == ["Sea"]


def test_a_crash_while_what_may_go_is_listed_leaves_nothing_of_the_list(tmp_path, other_file_system):
    source = lay(tmp_path / "Sea", {"CD1": tracks(1, 2)})
    before = files(source)
    program = (
        "import os, sys; from pathlib import Path; from medialift.audiobooks import moving;"
        "os.replace = lambda *_a, **_k: os.kill(os.getpid(), 9);"
        "Path.replace = os.replace;"
        "moving.move(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    assert killed(program, source, other_file_system / "Sea", when=lambda: False) == -9
    assert any(name.endswith(".part") for name in files(tmp_path))
    moving.resume(source)
    assert files(source) == before


@pytest.mark.parametrize("moment", ["copying", "published", "removing"])
def test_whenever_a_move_between_file_systems_is_killed_nothing_is_lost(tmp_path, other_file_system, moment):
    source = lay(tmp_path / "Sea", {"CD1": {f"{n}.mp3": 10 + n for n in range(150)}, "CD2": tracks(1)})
    before, target = files(source), other_file_system / "Sea"
    program = (
        "import sys; from pathlib import Path; from medialift.audiobooks import moving;"
        "moving.move(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    so = {
        "copying": lambda: len(list(other_file_system.rglob("*.mp3"))) > 50,
        "published": target.exists,
        "removing": lambda: target.exists() and not source.exists(),
    }[moment]
    killed(program, source, target, when=so)
    moving.resume(source)
    left = files(source) if source.exists() else {}
    assert left in ({}, before)
    assert files(target) == before if target.exists() else left == before
    moved = moving.move(source, target) if left else target
    assert files(moved) == before
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_appears_in_place_of_a_target_is_not_overwritten(tmp_path):
    one, other = lay(tmp_path, {"a": 1, "b": 2}) / "a", tmp_path / "b"
    assert moving.move(one, other) == tmp_path / "b (2)"
    assert other.stat().st_size == 2

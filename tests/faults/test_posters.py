"""What breaks while pictures come and go: each is whole, old or new, and the next worker ends it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import product
from pathlib import Path
from random import Random

import pytest

from medialift.foundation.waiting import wait_until
from medialift.posters import operations
from medialift.queueing.database import Database
from sandbox.bookservers import served
from sandbox.jellyfin.faults import Fault
from sandbox.jellyfin.media import Media, png
from sandbox.jellyfin.server import Jellyfin
from tests.faults import catalogue
from tests.hands import Hands, fill
from tests.poster_world import Posters, poster_world
from tests.postgres_world import Postgres

_KILLS = 4
_SHORT_REST = 0.3
# Of each picture, in this order; so many workers may die of one picture until it counts as what kills them.
DOWNLOADS = (
    ("ask for it", "put the old one aside", "examine it", "write it"),
    ("remove the old one", "remember it", "write that it is done", "be done"),
)
CHANGES = (
    ("ask for it", "keep what is there", "note what is kept", "send it"),
    ("write that it is done", "be done"),
)
TAKEN_AWAY = ("keep what is there", "take it away")


def moments(steps: tuple[str, ...]) -> list[tuple[str, str]]:
    return list(product(steps, ("before", "after")))


def gif(shade: int) -> bytes:
    """A picture of another format, which so lies at another path; one point of this shade."""
    begin, end = "47494638396101000100800000", "21f90401000000002c00000000010001000002024401003b"
    return bytes.fromhex(begin) + bytes([shade] * 3 + [0] * 3) + bytes.fromhex(end)


def ids(posters: Posters) -> list[str]:
    return list(posters.media.items)


def lies(posters: Posters, id: str) -> list[bytes]:
    """What lies in the folder for an item, without what a dead worker left half: that is dot-named."""
    return [one.read_bytes() for one in posters.folder.glob(f"pictures/Primary/[!.]*{id}*")]


def nobody_paid(posters: Posters) -> bool:
    """Whether no picture had to answer for a fault that was not its own."""
    return not posters.rows("select from attempt where outcome in ('again', 'failed')")


def all_done(posters: Posters) -> None:
    """Let the next worker end it."""
    posters.run()
    assert set(posters.states()) <= {"done", "skipped"}, (posters.states(), posters.failed())


# -- killed --------------------------------------------------------------------------------------------------


@pytest.mark.fault(catalogue.POSTERS_KILLED)
def test_killed_at_one_step_of_a_download_after_the_other_a_file_is_old_or_new_and_the_old_one_is_kept(
    posters: Posters, record_property
) -> None:
    record_property("tries", sum(len(moments(steps)) for steps in DOWNLOADS))
    id = ids(posters)[0]
    posters.download(ids=[id])
    posters.run()
    for number, steps in enumerate(DOWNLOADS):
        old, new = posters.media.picture(id), gif(number) if number % 2 == 0 else png("a new version")
        assert old is not None
        posters.media.items[id].images["Primary"] = new
        posters.download(ids=[id])
        for moment in moments(steps):
            posters.killed(*moment)
            there = lies(posters, id)
            assert there and set(there) <= {old, new}, moment
            assert old in there or old in posters.kept(), moment
        all_done(posters)
        assert lies(posters, id) == [new] and old in posters.kept()


@pytest.mark.fault(catalogue.POSTERS_KILLED)
@pytest.mark.parametrize("action", ["upload", "restore"])
def test_killed_at_one_step_of_a_change_after_the_other_the_server_has_old_or_new_and_the_old_one_is_kept(
    posters: Posters, action: str, record_property
) -> None:
    record_property("tries", sum(len(moments(steps)) for steps in CHANGES))
    id = ids(posters)[0]
    for number, steps in enumerate(CHANGES):
        old, new = posters.media.picture(id), png(f"mine {number}")
        assert old is not None
        batch = posters.upload({id: new})
        if action == "restore":
            posters.run()
            operations.restore(posters.settings, batch=batch["id"])
            old, new = new, old
        sent = posters.asked("POST")
        for moment in moments(steps):
            posters.killed(*moment)
            now = posters.media.picture(id)
            assert now in (old, new), moment
            assert now == old or old in posters.kept(), moment
        all_done(posters)
        assert posters.media.picture(id) == new and old in posters.kept()
        # However often it was begun anew.
        assert posters.asked("POST") == sent + 1


@pytest.mark.fault(catalogue.POSTERS_KILLED)
def test_killed_while_a_picture_is_taken_away_again_it_is_kept_before_and_gone_in_the_end(
    posters: Posters, record_property
) -> None:
    record_property("tries", len(moments(TAKEN_AWAY)))
    bare = posters.media.add("Bare", next(iter(posters.media.libraries)), picture=None)
    batch = posters.upload({bare: (mine := png("mine"))})
    posters.run()
    operations.restore(posters.settings, batch=batch["id"])
    for moment in moments(TAKEN_AWAY):
        posters.killed(*moment)
        now = posters.media.picture(bare)
        assert now == mine or (now is None and mine in posters.kept()), moment
    all_done(posters)
    assert posters.media.picture(bare) is None and mine in posters.kept()
    assert posters.asked("DELETE") == 1


@pytest.mark.fault(catalogue.POSTERS_KILLED)
def test_killed_at_any_moment_again_and_again_all_is_brought_and_replaced_in_the_end(
    posters: Posters, fault_moment: int, record_property
) -> None:
    record_property("tries", _KILLS)
    chance = Random(fault_moment)
    before = {id: posters.media.picture(id) for id in ids(posters)}
    mine = {id: png(f"mine {id}") for id in before}
    posters.faults(Fault("slow", seconds=0.05))
    posters.download()
    posters.upload(mine)
    for number in range(_KILLS):
        worker = posters.spawn(f"killed {number}")
        wait_until(lambda: False, at_most=chance.uniform(0.2, 0.8))
        worker.kill()
        worker.wait()
        for id, old in before.items():
            assert posters.media.picture(id) in (old, mine[id])
            assert {*lies(posters, id)} <= {old, mine[id]}
        posters.give_back()
    posters.faults()
    all_done(posters)
    assert {id: posters.media.picture(id) for id in before} == mine
    assert posters.kept() >= set(before.values())
    assert all(lies(posters, id) in ([before[id]], [mine[id]]) for id in before)


# -- Jellyfin ------------------------------------------------------------------------------------------------


class Mortal:
    """A Jellyfin that can die, with all its connections, and come back at the same address."""

    def __init__(self, server: Jellyfin) -> None:
        self.server, self._stack, self._port = server, ExitStack(), 0
        self.url = self.start()

    def start(self) -> str:
        self.server.trouble(times=0)
        url = self._stack.enter_context(served(self.server, port=self._port))
        self._port = int(url.rpartition(":")[2])
        return url

    def die(self) -> None:
        self.server.trouble(hang_up=True)
        self._stack.close()


@pytest.fixture
def mortal(tmp_path: Path, database: Database, poster_hands: Hands) -> Iterator[tuple[Posters, Mortal]]:
    server = Mortal(Jellyfin(media=Media().filled(6, 2)))
    posters = Posters(tmp_path, database, server.server, server.url, poster_hands)
    yield posters, server
    posters.end()
    server.die()


@pytest.mark.fault(catalogue.POSTERS_SERVER)
@pytest.mark.parametrize("action", ["download", "upload", "restore"])
def test_a_jellyfin_that_dies_in_a_batch_is_waited_for_and_no_picture_pays(
    mortal: tuple[Posters, Mortal], action: str
) -> None:
    posters, server = mortal
    posters.given.update(max_retries=0, concurrency=2)
    before = {id: posters.media.picture(id) for id in ids(posters)}
    mine = {id: png(f"mine {id}") for id in before}
    batch = posters.download() if action == "download" else posters.upload(mine)
    if action == "restore":
        posters.run()
        operations.restore(posters.settings, batch=batch["id"])
    posters.faults(Fault("slow", seconds=0.1))
    worker = posters.spawn()
    posters.until(lambda: posters.states().get("done", 0) >= 2)
    server.die()
    posters.until(lambda: bool(posters.rows("select from worker where paused_why like '%down%'")))
    assert posters.states()["ready"] > 0 and nobody_paid(posters)
    server.start()
    posters.until(lambda: set(posters.states()) <= {"done", "skipped"})
    worker.terminate()
    assert worker.wait() == 0
    assert nobody_paid(posters)
    now = {id: posters.media.picture(id) for id in before}
    assert now == (mine if action == "upload" else before)
    if action == "download":
        assert posters.files() == before


@pytest.mark.fault(catalogue.POSTERS_ANSWER)
def test_what_was_stored_and_not_told_is_looked_for_and_not_sent_again(posters: Posters) -> None:
    bare = posters.media.add("Bare", next(iter(posters.media.libraries)), picture=None)
    before = {id: posters.media.picture(id) for id in ids(posters)}
    mine = {id: png(f"mine {id}") for id in before}
    posters.faults(Fault("stored_silently", method="POST"), Fault("stored_silently", method="DELETE"))
    batch = posters.upload(mine)
    posters.run()
    assert {id: posters.media.picture(id) for id in before} == mine
    assert posters.asked("POST") == len(mine) and nobody_paid(posters)
    operations.restore(posters.settings, batch=batch["id"])
    posters.run()
    assert {id: posters.media.picture(id) for id in before} == before and before[bare] is None
    assert posters.asked("POST") + posters.asked("DELETE") == 2 * len(mine) and nobody_paid(posters)


# -- the folder ----------------------------------------------------------------------------------------------


def mount(place: Path, *how: str) -> None:
    subprocess.run(["mount", *how, str(place)], check=True)


def unmount(place: Path) -> None:
    subprocess.run(["umount", "-l", str(place)], check=True)


@contextmanager
def on_a_disk(tmp_path: Path, database: Database, hands: Hands, options: str) -> Iterator[Posters]:
    """A world whose folder is a file system of its own, which can be taken away and brought back."""
    share = tmp_path / "share"
    for place in (share, tmp_path / "world" / "posters"):
        place.mkdir(parents=True)
    mount(share, "-t", "tmpfs", "-o", options, "tmpfs")
    mount(tmp_path / "world" / "posters", "--bind", str(share))
    try:
        with poster_world(tmp_path / "world", database, hands=hands) as posters:
            yield posters
    finally:
        for place in (tmp_path / "world" / "posters", share):
            with suppress(subprocess.CalledProcessError):
                unmount(place)


@pytest.fixture
def small_disk(tmp_path: Path, database: Database, poster_hands: Hands) -> Iterator[Posters]:
    with on_a_disk(tmp_path, database, poster_hands, "size=2m") as posters:
        yield posters


def begun(posters: Posters, action: str, mine: dict[str, bytes]) -> None:
    """Begin a batch; what a restore puts back was replaced before."""
    if action == "download":
        posters.download(ids=list(mine))
        return
    batch = posters.upload(mine)
    if action == "restore":
        posters.run()
        # What is taken away by it was never kept.
        for id in mine:
            posters.media.items[id].images["Primary"] = png(f"somebody else's {id}")
        operations.restore(posters.settings, batch=batch["id"])


def ended(posters: Posters, action: str, before: dict[str, bytes], mine: dict[str, bytes]) -> None:
    """Whether all is as it is to be."""
    posters.until(lambda: posters.states() == {"done": len(mine)})
    now = {id: posters.media.picture(id) for id in mine}
    assert now == (mine if action == "upload" else before)
    if action == "download":
        assert posters.files() == before
    else:
        assert posters.kept() >= set(before.values())
    assert nobody_paid(posters)


@pytest.mark.fault(catalogue.POSTERS_DISK)
@pytest.mark.parametrize("action", ["download", "upload", "restore"])
def test_a_full_disk_is_waited_for_and_nothing_is_replaced_that_cannot_be_kept(
    small_disk: Posters, action: str
) -> None:
    posters = small_disk
    before = {id: body for id in ids(posters)[:4] if (body := posters.media.picture(id))}
    mine = {id: png(f"mine {id}") for id in before}
    begun(posters, action, mine)
    on_server = {id: posters.media.picture(id) for id in mine}
    sent = posters.asked("POST")
    fill(posters.folder / "filler")
    worker = posters.spawn(rest=_SHORT_REST)
    posters.until(lambda: bool(posters.rows("select from worker where paused_why like '%No space%'")))
    assert {id: posters.media.picture(id) for id in mine} == on_server and posters.asked("POST") == sent
    assert not list(posters.folder.rglob(".*.part")) and posters.files() == {}
    assert set(posters.states()) <= {"ready", "leased"} and nobody_paid(posters)
    (posters.folder / "filler").unlink()
    ended(posters, action, before, mine)
    worker.terminate()
    assert worker.wait() == 0


@pytest.mark.fault(catalogue.POSTERS_DISK)
def test_a_worker_that_starts_on_a_full_disk_waits_for_room(
    tmp_path: Path, database: Database, poster_hands: Hands
) -> None:
    with on_a_disk(tmp_path, database, poster_hands, "size=2m,nr_inodes=12") as posters:
        posters.download(ids=ids(posters)[:2])
        others = []
        with suppress(OSError):
            for number in range(20):
                others.append(posters.folder / f"other {number}")
                others[-1].touch()
        worker = posters.spawn(rest=_SHORT_REST)
        posters.until(lambda: bool(posters.rows("select from worker where paused_why like '%No space%'")))
        for one in others:
            one.unlink(missing_ok=True)
        posters.until(lambda: posters.states() == {"done": 2})
        worker.terminate()
        assert worker.wait() == 0 and nobody_paid(posters)


@pytest.mark.fault(catalogue.POSTERS_MOUNT)
@pytest.mark.parametrize("action", ["download", "upload", "restore"])
def test_a_mount_that_vanishes_in_a_batch_is_waited_for_and_nothing_is_written_below_it(
    small_disk: Posters, action: str
) -> None:
    posters = small_disk
    before = {id: body for id in ids(posters) if (body := posters.media.picture(id))}
    mine = {id: png(f"mine {id}") for id in before}
    begun(posters, action, mine)
    posters.given["concurrency"] = 2
    posters.faults(Fault("slow", seconds=0.1))
    worker = posters.spawn(rest=_SHORT_REST)
    posters.until(lambda: posters.states().get("done", 0) >= 2)
    unmount(posters.folder)
    posters.until(lambda: bool(posters.rows("select from worker where paused_why like '%away%'")))
    assert list(posters.folder.iterdir()) == [] and nobody_paid(posters)
    mount(posters.folder, "--bind", str(posters.root.parent / "share"))
    ended(posters, action, before, mine)
    worker.terminate()
    assert worker.wait() == 0


@pytest.mark.fault(catalogue.POSTERS_MOUNT)
def test_a_worker_that_starts_before_its_folder_is_mounted_takes_what_is_below_for_no_new_one(
    small_disk: Posters,
) -> None:
    posters = small_disk
    one, other = ids(posters)[:2]
    posters.download(ids=[one])
    posters.run()
    posters.download(ids=[one, other])
    unmount(posters.folder)
    worker = posters.spawn(rest=_SHORT_REST)
    posters.until(lambda: bool(posters.rows("select from worker where paused_why like '%away%'")))
    assert list(posters.folder.iterdir()) == [] and posters.states() == {"ready": 2}
    mount(posters.folder, "--bind", str(posters.root.parent / "share"))
    posters.until(lambda: posters.states() == {"done": 1, "skipped": 1})
    worker.terminate()
    assert worker.wait() == 0 and len(posters.files()) == 2


# -- the ledger ----------------------------------------------------------------------------------------------


@pytest.mark.fault(catalogue.POSTERS_DATABASE)
@pytest.mark.parametrize("away", [1.0, 6.0], ids=["shorter than a lease", "longer than a lease"])
def test_a_database_that_is_away_in_a_batch_loses_no_picture_and_no_kept_one(
    postgres_of_test: Postgres, posters: Posters, away: float
) -> None:
    before = {id: posters.media.picture(id) for id in ids(posters)}
    mine = {id: png(f"mine {id}") for id in before}
    posters.upload(mine)
    posters.given["concurrency"] = 2
    posters.faults(Fault("slow", seconds=0.1, method="GET"))
    worker = posters.spawn()
    posters.until(lambda: posters.asked("POST") >= 2)
    postgres_of_test.stop()
    wait_until(lambda: False, at_most=away)
    for id, old in before.items():
        assert posters.media.picture(id) in (old, mine[id])
    postgres_of_test.start()
    posters.database.engine.dispose()

    def over() -> bool:
        posters.sweep()
        return set(posters.states()) <= {"done", "skipped"}

    posters.until(over)
    worker.terminate()
    assert worker.wait() == 0
    assert {id: posters.media.picture(id) for id in before} == mine
    assert posters.kept() >= set(before.values()) and nobody_paid(posters)

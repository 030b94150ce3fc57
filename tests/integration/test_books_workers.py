"""Many workers at one library: nothing twice on the server, nothing half, and nobody waits for ever."""

from __future__ import annotations

from threading import Thread

from tests.migration_world import Migration


def test_eight_workers_on_two_hosts_bring_a_library_once(migration: Migration):
    for number in range(60):
        # Titles and authors come several times, at the same moment; every fifth content as well.
        words = f"same {number // 15}" if number % 5 == 0 else ""
        migration.add(
            f"Book {number // 3}",
            f"Ann Author{number // 9}",
            "EPUB PDF"[: 8 if number % 4 else 4],
            words=words,
        )
    planned = migration.plan()
    workers = [
        migration.spawn(f"{host}-{number}", host=host, pace={"batch": 3})
        for host in ("north", "south")
        for number in range(4)
    ]
    ended = migration.wait(*workers, at_most=240)
    assert sum(one["items"] for one in ended) == planned.books == 60
    assert sum(one["items"] > 0 for one in ended) >= 4
    assert migration.clean() and migration.standin.facts()["ebooks"] == 20
    files = migration.files()
    assert set(files) == {"uploaded", "there"} and sum(files.values()) == planned.files
    # Each content is sent once, whoever of the eight sends it.
    assert migration.uploads_sent() == files["uploaded"] == migration.standin.facts()["sources"]
    hosts = {row[0] for row in migration.rows("select distinct host from worker")}
    assert hosts == {"north", "south"}


def test_two_workers_at_two_books_of_one_title_and_author_make_one_ebook(migration: Migration):
    migration.standin.switches.set(race_seconds=0.2)
    for number in range(6):
        migration.add("One Title", ["Ann Author", f"Bo Writer{number}"] if number % 2 else "Ann Author")
    migration.plan()
    threads = [
        Thread(target=lambda name=name: migration.run(name=name, pace={"batch": 1})) for name in ("a", "b")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(book["sources"]) for book in migration.standin.books()] == [6] and migration.clean()


def test_another_address_of_the_same_server_shares_its_claims(migration: Migration):
    migration.add("First", words="the same")
    migration.migrate()
    migration.add("Second", "Bo Writer", words="the same")
    other = migration.standin.url.replace("127.0.0.1", "localhost")
    migration.migrate(books={"server": other})
    assert migration.uploads_sent() == 1
    assert len(migration.rows("select distinct server from content")) == 1


def test_a_content_in_another_s_hands_is_waited_for_and_then_there(migration: Migration):
    one, other = (
        migration.add(title, author, words="the same")
        for title, author in (("First", "Ann Author"), ("Second", "Bo Writer"))
    )
    migration.standin.switches.fault("slow", "POST /api/upload$", times=1, seconds=1.5)
    migration.migrate(rules={"held_wait": 0.2})
    assert sorted(row.state for row in (migration.file(one), migration.file(other))) == ["there", "uploaded"]
    assert migration.item(other).attempts <= 1 and migration.uploads_sent() == 1


def test_a_drained_worker_finishes_what_it_has_and_another_does_the_rest(migration: Migration):
    migration.add_many(40)
    migration.standin.switches.set(latency=0.1)
    migration.plan()
    worker = migration.spawn("first", pace={"batch": 40}, books={"parallel_uploads": 2})
    migration.until(lambda: migration.states().get("done", 0) >= 2)
    worker.terminate()
    (ended,) = migration.wait(worker)
    assert ended["why"] == "drained" and worker.returncode == 0
    assert migration.states()["done"] == ended["items"] < 40
    assert migration.states().get("leased", 0) == 0
    migration.standin.switches.set(latency=0)
    migration.run(name="second")
    assert migration.states() == {"done": 40} and migration.clean() and migration.uploads_sent() == 40

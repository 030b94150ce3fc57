"""Workers, server and supervisor are gone; the library, the books and both databases are not."""


def test_no_unit_of_ours_is_left(host):
    assert (
        host.check_output("systemctl list-units --all --plain --no-legend 'medialift-*' 'mybookshelf2-*'")
        == ""
    )
    for path in (
        "/etc/systemd/system/medialift-books-worker@.service",
        "/etc/systemd/system/medialift-books-workers.target",
        "/etc/systemd/system/medialift-queue-supervisor.service",
        "/etc/systemd/system/medialift-healing.service",
        "/etc/systemd/system/mybookshelf2-app.service",
        "/etc/medialift/books.toml",
        "/etc/medialift/queue.toml",
        "/etc/medialift/healing.toml",
        "/etc/medialift/healing-model.key",
        "/etc/mybookshelf2/server.env",
        "/etc/mybookshelf2/database.env",
    ):
        assert not host.file(path).exists, path
    assert host.run("find /etc/systemd/system -name 'medialift-books*'").stdout == ""
    # What was set for single workers.
    assert host.run("find /run/systemd/system -name 50-healing.conf").stdout == ""


def test_nobody_listens_for_workers_any_more(host):
    assert not any(line.startswith("tcp://0.0.0.0") for line in host.socket.get_listening_sockets()
                   if line.endswith((":5432", ":5433", ":6006", ":8080")))  # fmt: skip
    for file in ("pg_hba.conf", "pg_ident.conf"):
        assert "medialift" not in host.file(f"/etc/postgresql/15/main/{file}").content_string
    assert not host.file("/etc/postgresql/15/main/conf.d/medialift.conf").exists


def test_the_books_and_both_databases_are_kept(host):
    assert host.file("/srv/calibre/metadata.db").size > 0
    assert int(host.check_output("find /srv/mybookshelf2/data/books -type f | wc -l")) > 0
    assert host.file("/srv/mybookshelf2/database/PG_VERSION").exists
    kept = host.check_output(
        "runuser -u postgres -- psql --no-psqlrc --tuples-only --no-align --dbname medialift --command %s",
        "select count(*) > 0 from item where state = 'done'",
    )
    assert kept == "t"

"""MyBookshelf2 runs by systemd, takes large uploads, and keeps its secrets."""

import json

import pytest

PARTS = ("db", "backend", "app")
SECRETS = ("molecule-ebooks-password", "molecule-shelf-password")


def container(host, part):
    return json.loads(host.check_output("docker inspect %s", f"mybookshelf2-{part}"))[0]


def post(host, path, body, *headers):
    words = " ".join(f"--header '{header}'" for header in ("Content-Type: application/json", *headers))
    answer = host.check_output(
        f"curl --silent --max-time 20 --data %s {words} http://127.0.0.1:6006{path}", json.dumps(body)
    )
    return json.loads(answer)


def token(host):
    return post(host, "/login", {"username": "shelf", "password": "molecule-shelf-password"})["access_token"]


@pytest.mark.parametrize("part", PARTS)
def test_systemd_runs_each_part_and_the_engine_never_starts_it_by_itself(host, part):
    service = host.service(f"mybookshelf2-{part}")
    assert service.is_running and service.is_enabled
    assert container(host, part)["HostConfig"]["RestartPolicy"]["Name"] == "no"


@pytest.mark.parametrize("part", ("backend", "app"))
def test_app_and_backend_require_their_database_and_run_under_their_user(host, part):
    required = host.check_output("systemctl show %s --property Requires --value", f"mybookshelf2-{part}")
    assert {"docker.service", "mybookshelf2-db.service"} <= set(required.split())
    assert container(host, part)["Config"]["User"] == "1000:1000"


def test_the_ports_are_where_they_should_be(host):
    assert host.socket("tcp://0.0.0.0:6006").is_listening
    assert host.socket("tcp://0.0.0.0:8080").is_listening
    assert host.socket("tcp://127.0.0.1:5433").is_listening
    assert not host.socket("tcp://0.0.0.0:5433").is_listening
    # What only app and backend say to each other stays between them.
    assert not host.socket("tcp://0.0.0.0:9080").is_listening


def test_the_first_user_logs_in_and_the_password_that_everybody_knows_does_not(host):
    assert token(host)
    assert "error" in post(host, "/login", {"username": "admin", "password": "admin"})


@pytest.mark.parametrize(("size", "said"), [(520_000_000, "ok"), (530_000_000, "file too big")])
def test_uploads_of_five_hundred_mebibytes_are_taken_and_larger_ones_are_not(host, size, said):
    body = {"size": size, "hash": "1" * 40, "mime_type": "application/epub+zip", "extension": "epub"}
    answer = post(host, "/api/upload/check", body, f"Authorization: bearer {token(host)}")
    assert said in (answer.get("result"), answer.get("error"))


def test_the_websocket_lets_in_one_who_brings_a_token(host):
    ask = (
        "curl --silent --output /dev/null --max-time 3 --write-out '%{http_code}' --http1.1 "
        "--header 'Connection: Upgrade' --header 'Upgrade: websocket' --header 'Sec-WebSocket-Version: 13' "
        "--header 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' "
    )
    assert host.run(f"{ask} 'http://127.0.0.1:8080/ws?token={token(host)}'").stdout == "101"
    assert host.run(f"{ask} 'http://127.0.0.1:8080/ws?token=wrong'").stdout == "401"


@pytest.mark.parametrize("tool", ("ebook-meta", "ebook-convert", "convert", "soffice"))
def test_the_backend_holds_the_programs_that_it_needs(host, tool):
    assert host.run("docker exec mybookshelf2-backend %s --version", tool).rc == 0


@pytest.mark.parametrize("part", ("backend", "app"))
def test_the_library_is_seen_and_cannot_be_written(host, part):
    name = f"mybookshelf2-{part}"
    assert host.run("docker exec --user 0 %s test -s /srv/calibre/metadata.db", name).rc == 0
    assert "Read-only" in host.run("docker exec --user 0 %s touch /srv/calibre/x", name).stderr


def test_files_are_found_by_content(host):
    shown = host.check_output(
        "docker exec mybookshelf2-db psql -U ebooks -d ebooks -Atc %s",
        "select indexdef from pg_indexes where tablename = 'source' and indexdef like '%(hash, size)%'",
    )
    assert shown


def test_its_search_finds_what_it_needs_in_the_database(host):
    shown = host.check_output(
        "docker exec mybookshelf2-db psql -U ebooks -d ebooks -Atc %s",
        "select (select count(*) from pg_extension where extname = 'unaccent'), "
        "(select count(*) from pg_ts_config where cfgname = 'custom')",
    )
    assert shown == "1|1"


def test_the_keys_are_this_installations_own(host):
    keys = host.file("/etc/mybookshelf2/keys.env")
    assert keys.mode == 0o600
    values = dict(line.split("=", 1) for line in keys.content_string.splitlines())
    assert sorted(values) == ["MBS2_DELEGATED_TOKEN", "MBS2_SECRET_KEY", "MBS2_SECRET_KEY2"]
    assert len(set(values.values())) == 3 and all(len(value) >= 64 for value in values.values())
    used = host.check_output(
        "docker exec mybookshelf2-app python3 -c %s", "import settings; print(settings.SECRET_KEY)"
    )
    assert used == values["MBS2_SECRET_KEY"]


def test_secrets_are_roots_alone_and_in_no_log_and_no_command_line(host):
    for name in ("database.env", "server.env", "keys.env"):
        file = host.file(f"/etc/mybookshelf2/{name}")
        assert (file.user, file.mode) == ("root", 0o600), name
    for secret in SECRETS:
        assert secret not in host.check_output("ps axww --format args")
        assert host.run("journalctl --no-pager --grep %s", secret).rc == 1


def test_stopping_it_stops_its_containers_cleanly(host):
    host.check_output("systemctl stop mybookshelf2-app mybookshelf2-backend mybookshelf2-db")
    for part in PARTS:
        shown = host.check_output("systemctl show %s --property Result --value", f"mybookshelf2-{part}")
        assert shown == "success", part
        assert container(host, part)["State"]["Running"] is False
    host.check_output("systemctl start mybookshelf2-db mybookshelf2-backend mybookshelf2-app")
    host.check_output(
        "curl --silent --output /dev/null --retry 60 --retry-delay 1 --retry-all-errors http://127.0.0.1:6006/login"
    )

"""The ledger is the distribution's PostgreSQL, and nobody gets in but those who should."""

import json

SUPERVISOR = "medialift-queue-supervisor.service"
# As the variables of the scenario have it, and as an address holds it.
PASSWORD = "molecule ledger/password"
ADDRESSED = "molecule%20ledger%2Fpassword"


def psql(host, user, address, sql):
    words = "psql --no-psqlrc --tuples-only --no-align --set ON_ERROR_STOP=1"
    return host.run(f"runuser -u {user} -- {words} %s --command %s", address, sql)


def address(host):
    return host.check_output("ip -oneline -4 address show dev eth0").split()[3].split("/")[0]


def test_its_own_role_owns_its_own_database(host):
    told = psql(
        host,
        "root",
        "postgresql://medialift@/medialift",
        "select pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate "
        "from pg_database where datname = 'medialift'",
    )
    assert told.stdout.strip() == "medialift|UTF8|C"
    flags = psql(
        host,
        "root",
        "postgresql://medialift@/medialift",
        "select rolsuper, rolcreatedb, rolcreaterole from pg_roles where rolname = 'medialift'",
    )
    assert flags.stdout.strip() == "f|f|f"


def test_over_the_socket_root_and_the_services_user_come_in_without_a_password_and_nobody_else(host):
    for user in ("root", "medialift"):
        assert psql(host, user, "postgresql://medialift@/medialift", "select 1").stdout.strip() == "1"
    assert (
        "Peer authentication failed"
        in psql(host, "nobody", "postgresql://medialift@/medialift", "select 1").stderr
    )


def test_over_the_network_one_needs_the_password_and_tls(host):
    there = f"{address(host)}:5432/medialift"
    good = psql(
        host,
        "nobody",
        f"postgresql://medialift:{ADDRESSED}@{there}?sslmode=require",
        "select ssl from pg_stat_ssl where pid = pg_backend_pid()",
    )
    assert good.stdout.strip() == "t", good.stderr
    plain = psql(host, "nobody", f"postgresql://medialift:{ADDRESSED}@{there}?sslmode=disable", "select 1")
    assert "no pg_hba.conf entry" in plain.stderr
    wrong = psql(host, "nobody", f"postgresql://medialift:wrong@{there}?sslmode=require", "select 1")
    assert "password authentication failed" in wrong.stderr
    # Not into any other database.
    other = psql(
        host,
        "nobody",
        f"postgresql://medialift:{ADDRESSED}@{address(host)}/postgres?sslmode=require",
        "select 1",
    )
    assert "no pg_hba.conf entry" in other.stderr


def test_its_tables_are_there_and_up_to_date(host):
    again = host.check_output(
        "/opt/medialift/current/bin/medialift --config /etc/medialift/queue.toml --json queue migrate"
    )
    assert json.loads(again)["changed"] is False


def test_the_users_own_settings_of_the_server_hold(host):
    shown = psql(host, "root", "postgresql://medialift@/medialift", "show log_min_duration_statement")
    assert shown.stdout.strip() == "10s"


def test_the_supervisor_runs_under_its_user_and_looks_after_the_queue(host):
    service = host.service(SUPERVISOR)
    assert service.is_running and service.is_enabled
    pid = int(host.check_output("systemctl show %s --property MainPID --value", SUPERVISOR))
    process = host.process.get(pid=pid)
    assert process.user == "medialift"
    # The release itself, not a link that may be switched under it.
    assert "/opt/medialift/releases/" in process.args
    assert host.check_output("systemctl show %s --property ProtectSystem --value", SUPERVISOR) == "strict"


def test_its_settings_are_its_users_alone(host):
    settings = host.file("/etc/medialift/queue.toml")
    assert (settings.user, settings.mode) == ("medialift", 0o600)


def test_the_password_is_in_no_log_and_no_command_line(host):
    for secret in (PASSWORD, ADDRESSED):
        assert secret not in host.check_output("ps axww --format args")
        assert host.run("journalctl --no-pager --grep %s", secret).rc == 1
        assert host.run("grep -rF %s /var/log --include=*.log", secret).rc == 1

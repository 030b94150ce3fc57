"""The dashboard answers who may ask, on its own host alone, and has no more rights than it needs."""

import json
import re
import time

UNIT = "medialift-dashboard"
HERE = "http://127.0.0.1:8790"
READ, ACT = "mlt_molecule-token-for-reading-00000001", "mlt_molecule-token-for-acting-000000001"
CURL = "curl --silent --noproxy '*' --write-out '\\n%{http_code}'"


def asked(host, path, *words, token=""):
    """(status, body) of what it answers."""
    bearer = f"--header 'Authorization: Bearer {token}'" if token else ""
    body, _, status = host.check_output(f"{CURL} {bearer} {' '.join(words)} '{HERE}{path}'").rpartition("\n")
    return int(status), body


def comes(wanted, seconds=60):
    """Whether it comes true; asked once a second."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if wanted():
            return True
        time.sleep(1)
    return bool(wanted())


def test_it_runs_and_starts_with_the_machine(host):
    assert host.service(UNIT).is_running and host.service(UNIT).is_enabled


def test_it_listens_on_its_own_host_alone(host):
    assert host.socket("tcp://127.0.0.1:8790").is_listening
    assert not host.socket("tcp://0.0.0.0:8790").is_listening


def test_whether_it_is_well_everybody_may_ask(host):
    assert asked(host, "/health/live")[0] == 200
    assert asked(host, "/health/ready")[0] == 200


def test_nobody_is_told_more_without_a_token(host):
    assert asked(host, "/api/v1/bursts")[0] == 401
    assert asked(host, "/api/v1/bursts", token="mlt_" + "x" * 40)[0] == 401
    assert asked(host, "/metrics")[0] == 401


def test_a_token_may_do_what_its_scope_says(host):
    told = {"journal": "controller", "library": "home", "lines": []}
    words = ("--header 'Content-Type: application/json'", f"--data '{json.dumps(told)}'")
    assert asked(host, "/api/v1/bursts", token=READ)[0] == 200
    assert asked(host, "/api/v1/bursts/home-1/journal", *words, token=READ)[0] == 403
    assert asked(host, "/api/v1/bursts/home-1/journal", *words, token=ACT)[0] == 200


def test_prometheus_gets_its_figures(host):
    status, body = asked(host, "/metrics", token=READ)
    assert status == 200 and "medialift_" in body


def test_a_person_logs_in_with_the_password_of_the_vault(host):
    page = asked(host, "/login", "--cookie-jar /tmp/cookies")[1]
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page))
    fields = {**hidden, "name": "ada", "password": "molecule first password"}
    data = " ".join(f"--data-urlencode '{name}={value}'" for name, value in fields.items())
    status, _ = asked(host, "/login", "--cookie /tmp/cookies --cookie-jar /tmp/cookies", data)
    assert status == 303
    status, body = asked(host, "/bursts", "--cookie /tmp/cookies")
    assert status == 200 and "ada" in body


def test_its_scripts_came_with_the_release(host):
    for name in ("htmx.min.js", "uPlot.iife.min.js"):
        assert asked(host, f"/static/vendor/{name}")[0] == 200, name


def test_settings_are_root_s_alone_and_no_secret_is_in_anything_that_it_says(host):
    file = host.file("/etc/medialift/dashboard.toml")
    assert (file.user, file.mode) == ("root", 0o600)
    assert not host.run(
        "journalctl --no-pager | grep -E 'molecule (first|token)|mlt_molecule|molecule-notify-secret'"
    ).stdout
    assert "mlt_molecule" not in file.content_string


def test_it_runs_with_few_rights(host):
    assert host.check_output(f"ps -o user= -p $(systemctl show {UNIT} -p MainPID --value)") == "medialift"
    told = host.check_output(f"systemd-analyze security --no-pager {UNIT} | tail -1")
    assert float(re.search(r"(\d+\.\d+)", told)[1]) < 3.0, told


def test_a_killed_service_comes_back(host):
    def pid():
        return host.check_output(f"systemctl show {UNIT} --property MainPID --value")

    before = pid()
    host.check_output(f"systemctl kill --signal=KILL {UNIT}")
    assert comes(lambda: pid() not in ("0", before) and asked_now(host) == 200)


def asked_now(host):
    answer = host.run(f"{CURL} {HERE}/health/live").stdout
    return int(answer.rpartition("\n")[2] or 0)

"""The engine runs, with our settings among the user's."""

import json


def info(host):
    return json.loads(host.check_output("docker info --format '{{json .}}'"))


def test_the_engine_runs_and_starts_with_the_machine(host):
    service = host.service("docker")
    assert service.is_running and service.is_enabled


def test_the_engine_took_our_settings_up(host):
    facts = info(host)
    assert facts["RegistryConfig"]["Mirrors"] == ["http://172.30.77.1:5000/"]
    assert facts["DockerRootDir"] == "/var/lib/docker"
    assert "172.29.0.1/24" in host.check_output("ip -4 -o address show docker0")


def test_the_users_own_settings_are_kept_and_a_backup_lies_beside(host):
    settings = json.loads(host.file("/etc/docker/daemon.json").content_string)
    assert settings["max-concurrent-downloads"] == 2
    assert settings["log-opts"] == {"max-size": "10m", "max-file": "3"}
    assert host.run("ls /etc/docker/daemon.json.*~").rc == 0


def test_containers_are_put_below_this_machines_own_cgroup(host):
    settings = json.loads(host.file("/etc/docker/daemon.json").content_string)
    own = host.check_output("grep name=systemd /proc/1/cgroup").split(":", 2)[2].removesuffix("/init.scope")
    assert settings["cgroup-parent"] == f"{own}/nested"


def test_the_compose_plug_in_answers(host):
    assert host.check_output("docker compose version") == "Docker Compose version v2.0.0"

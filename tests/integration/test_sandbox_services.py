"""Background services: started once, replaced when they changed, ended without harm to anybody else."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from medialift.errors import Permanent
from medialift.foundation.waiting import wait_until
from sandbox import services
from sandbox.ports import free_port
from sandbox.services import Service, answers
from sandbox.settings import Settings


@pytest.fixture
def settings(tmp_path):
    return Settings(root=tmp_path)


@pytest.fixture
def service(tmp_path):
    """A file server with a name and a port of its own."""
    port = free_port()
    name = f"test-{os.getpid()}-{port}"
    yield Service(
        name=name,
        argv=(
            sys.executable,
            "-m",
            "http.server",
            str(port),
            "--bind",
            "127.0.0.1",
            "--directory",
            str(tmp_path),
        ),
        healthy=answers(f"http://127.0.0.1:{port}/"),
        patience=10,
    )
    services.stop(name)


def pids(service):
    return [process.pid for process in services._processes(service.name)]


def test_a_second_start_finds_the_service_running(service, settings):
    assert services.start(service, settings) is True
    before = pids(service)
    assert services.start(service, settings) is False
    assert pids(service) == before
    assert service.name in services.running()


def test_a_service_outlives_the_command_that_started_it(service, settings):
    script = (
        "from pathlib import Path; from sandbox.services import *; from sandbox.settings import Settings;"
        f"start(Service({service.name!r}, {service.argv!r}, answers('http://127.0.0.1:{service.argv[3]}/')),"
        f" Settings(root=Path({str(settings.root)!r})))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)
    assert service.healthy()
    assert services.start(service, settings) is False


def test_a_killed_service_is_started_again(service, settings):
    services.start(service, settings)
    os.kill(pids(service)[0], signal.SIGKILL)
    assert wait_until(lambda: not pids(service), at_most=5, every=0.05)
    assert services.start(service, settings) is True
    assert service.healthy()


def test_a_service_that_hangs_is_replaced(service, settings):
    services.start(service, settings)
    before = pids(service)
    os.kill(before[0], signal.SIGSTOP)
    began = time.monotonic()
    assert services.start(dataclasses.replace(service, grace=1), settings) is True
    assert pids(service) != before
    assert time.monotonic() - began < 20


def test_a_service_made_from_something_else_is_replaced(service, settings, tmp_path):
    code = tmp_path / "code.py"
    code.write_text("a = 1\n")
    services.start(dataclasses.replace(service, sources=(code,)), settings)
    before = pids(service)
    code.write_text("a = 2\n")
    assert services.start(dataclasses.replace(service, sources=(code,)), settings) is True
    assert pids(service) != before


def test_stopping_leaves_others_alone(service, settings):
    bystander = subprocess.Popen((*service.argv[:2], "http.server", "0"), start_new_session=True)
    try:
        services.start(service, settings)
        assert services.stop(service.name) is True
        assert services.stop(service.name) is False
        assert not service.healthy()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_service_that_cannot_start_says_what_it_printed(service, settings):
    broken = dataclasses.replace(service, argv=(sys.executable, "-c", "raise SystemExit('no such flag')"))
    with pytest.raises(Permanent, match="no such flag"):
        services.start(broken, settings)


def test_a_port_that_somebody_else_holds_is_an_error_not_a_success(service, settings):
    other = subprocess.Popen(service.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert wait_until(service.healthy, at_most=10, every=0.05)
        with pytest.raises(Permanent, match="not the sandbox's"):
            services.start(service, settings)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()

"""The whole sandbox: up, down, what runs, and back to the beginning.

Everything is found by what it is (labels of containers, marks of processes, digests of images), so each of
these works again after itself, after an interruption, and after another checkout's sandbox.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from . import engine, home, images, network, package_index, registry, services, store
from .docker import docker
from .faults import Faults
from .machines import remove
from .services import Service, answers
from .settings import LABEL, MEDIA_BUCKET, MODEL_PORT, PLEX_TV_PORT, PYTHON, SCALEWAY_PORT, Settings

Say = Callable[[str], None]


def _print(line: str) -> None:
    print(line, flush=True)


def up(settings: Settings | None = None, say: Say = _print, *, with_home: bool = True) -> None:
    """Have the whole sandbox; does only what is missing.

    Raises:
        Permanent: a part cannot be had; the message says which and why.
    """
    settings = settings or Settings.load()
    with _alone(settings):
        _engine_and_registry(settings, say)
        # The index waits for the network, the images for the processor.
        with ThreadPoolExecutor(max_workers=1) as pool:
            packages = pool.submit(package_index.build, settings, say)
            images.build(settings, say)
            packages.result()
        _start(_after_images(settings), settings, say)
        store.make_buckets()
        if with_home:
            home.start(settings)


def build_images(settings: Settings | None = None, say: Say = _print) -> None:
    """Have the images, those behind production names in the registry too; start no more than that needs."""
    settings = settings or Settings.load()
    with _alone(settings):
        _engine_and_registry(settings, say)
        images.build(settings, say)


def down(settings: Settings | None = None, say: Say = _print) -> None:
    """Remove every machine and the network, end every service, and the engine if the sandbox started it.

    Images, fetched packages and keys stay: `clean` removes those too.
    """
    settings = settings or Settings.load()
    with _alone(settings):
        _down(settings, say)
        if engine.stop(settings):
            say("the Docker engine was stopped")


def clean(settings: Settings | None = None, say: Say = _print) -> None:
    """`down`, and remove images and state: the next `up` starts from nothing."""
    settings = settings or Settings.load()
    with _alone(settings):
        _down(settings, say)
        if engine.answers():
            # By id: an image that a later build replaced has no name any more.
            for image in dict.fromkeys(_ours("image", "ls", "--quiet", label=images.INPUTS)):
                docker("image", "rm", "--force", image)
        engine.stop(settings)
    shutil.rmtree(settings.state, ignore_errors=True)


def reset(settings: Settings | None = None, say: Say = _print) -> None:
    """Back to the first day: an empty store, no instance, a home server on which nothing was installed."""
    settings = settings or Settings.load()
    with _alone(settings):
        Faults().clear()
        Faults().reset_counters()
        cloud = _cloud_services(settings)
        for service in cloud:
            services.stop(service.name)
            shutil.rmtree(settings.state / service.name, ignore_errors=True)
        for name in _ours("container", "ls", "--all", "--format", "{{.Names}}", label=f"{LABEL}=instance"):
            remove(name, settings)
        _start(cloud, settings, say)
        store.empty()
        home.reset(settings)


def status(settings: Settings | None = None) -> dict[str, list[str]]:
    """What there is: {engine, services, machines, images}, each a list of lines."""
    settings = settings or Settings.load()
    running = engine.answers()
    wanted = [service.name for service in _all_services(settings)]
    there = services.running()
    return {
        "engine": ["running" if running else "not running"],
        "services": [f"{name}: {'running' if name in there else 'not running'}" for name in wanted],
        "machines": _ours(
            "container",
            "ls",
            "--all",
            "--format",
            f'{{{{.Names}}}} ({{{{.Label "{LABEL}"}}}}): {{{{.Status}}}}',
        )
        if running
        else [],
        "images": sorted(
            _ours("image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.Size}}", label=images.INPUTS)
        )
        if running
        else [],
    }


def media(files: int, say: Say = _print, *, seed: int = 1, bucket: str = MEDIA_BUCKET) -> None:
    """Have exactly so many real media files in the store; the same seed with more of them is a superset."""
    made = store.fill(files, seed, bucket)
    say(f"{made.files} media files and {made.companions} companions added ({made.seconds:.0f} s)")


def _engine_and_registry(settings: Settings, say: Say) -> None:
    if engine.start(settings):
        say("the Docker engine was started")
    network.ensure(settings)
    _start(registry.services(settings), settings, say)


def _down(settings: Settings, say: Say) -> None:
    for name in services.running():
        services.stop(name)
        say(f"service {name} ended")
    if engine.answers():
        for name in _ours("container", "ls", "--all", "--format", "{{.Names}}"):
            remove(name, settings)
            say(f"machine {name} removed")
        network.remove()


def _ours(*command: str, label: str = LABEL) -> list[str]:
    return docker(*command, "--filter", f"label={label}").splitlines()


def _start(wanted: tuple[Service, ...], settings: Settings, say: Say) -> None:
    for service in wanted:
        if services.start(service, settings):
            say(f"service {service.name} started")


def _all_services(settings: Settings) -> tuple[Service, ...]:
    return (*registry.services(settings), *_after_images(settings))


def _after_images(settings: Settings) -> tuple[Service, ...]:
    return (
        *store.services(settings),
        package_index.service(settings),
        *_cloud_services(settings),
        _model(settings),
    )


def _cloud_services(settings: Settings) -> tuple[Service, ...]:
    """The stand-ins for Scaleway and plex.tv; each keeps its state in the folder of its name."""
    return tuple(
        Service(
            name=name,
            argv=(
                *(
                    PYTHON,
                    "-m",
                    f"sandbox.{module}",
                    "--host",
                    "127.0.0.1",
                    "--host",
                    settings.gateway,
                ),
                *("--port", str(port), "--state", str(settings.state / name)),
            ),
            healthy=answers(f"http://127.0.0.1:{port}/"),
            sources=(
                settings.root / "sandbox" / module,
                *(settings.root / "sandbox" / f"{part}.py" for part in ("machines", "docker", "settings")),
            ),
            environment={"PYTHONUNBUFFERED": "1"},
        )
        for name, module, port in (
            ("scaleway", "scaleway", SCALEWAY_PORT),
            ("plex-tv", "plextv", PLEX_TV_PORT),
        )
    )


def _model(settings: Settings) -> Service:
    """The stand-in for a language model's API; it keeps nothing."""
    addresses = ("--host", "127.0.0.1", "--host", settings.gateway)
    return Service(
        name="openai",
        argv=(PYTHON, "-m", "sandbox.openai", *addresses, "--port", str(MODEL_PORT)),
        healthy=answers(f"http://127.0.0.1:{MODEL_PORT}/v1/models"),
        sources=(settings.root / "sandbox" / "openai", settings.root / "sandbox" / "settings.py"),
        environment={"PYTHONUNBUFFERED": "1"},
    )


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Let one command at a time change the sandbox; another waits for it. The lock ends with the process."""
    settings.state.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(settings.state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

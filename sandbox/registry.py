"""The registry: where the machines' engines pull the images that stand behind production names.

One docker-registry process has one address, so there are two on one folder: the gateway's, which machines use
as a mirror, and 127.0.0.1, which the host's engine may push to without any setting of its own.
"""

from __future__ import annotations

import json

import httpx
import yaml

from .services import Service, answers
from .settings import REGISTRY_PORT, Settings

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def services(settings: Settings) -> tuple[Service, ...]:
    """The two processes; writes their configuration."""
    return tuple(
        _service(settings, name, address)
        for name, address in (("registry", settings.gateway), ("registry-local", "127.0.0.1"))
    )


def _service(settings: Settings, name: str, address: str) -> Service:
    storage = settings.state / "registry"
    storage.mkdir(parents=True, exist_ok=True)
    configuration = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            # Two processes share the folder: neither may remember what the other has not pushed yet.
            "filesystem": {"rootdirectory": str(storage)},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"{address}:{REGISTRY_PORT}"},
    }
    file = settings.state / "services" / f"{name}.yml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(configuration, sort_keys=True), encoding="utf-8")
    return Service(
        name=name,
        argv=("docker-registry", "serve", str(file)),
        healthy=answers(f"http://{address}:{REGISTRY_PORT}/v2/"),
        # A shell that exports OTEL_… or REGISTRY_… settings would change the registry's.
        without=("REGISTRY_", "OTEL_"),
    )


def push_name(name: str) -> str:
    """The name under which the host's engine pushes `name`."""
    return f"127.0.0.1:{REGISTRY_PORT}/{name}"


def holds(name: str, image_id: str) -> bool:
    """Whether the registry has this very image (`sha256:…`, the engine's id) under `name`."""
    repository, _, tag = name.rpartition(":")
    reply = httpx.get(
        f"http://127.0.0.1:{REGISTRY_PORT}/v2/{repository}/manifests/{tag}",
        headers={"Accept": _MANIFEST},
        timeout=10,
        trust_env=False,
    )
    if reply.status_code == httpx.codes.NOT_FOUND:
        return False
    reply.raise_for_status()
    manifest = json.loads(reply.content)
    # An engine names an image by its configuration, or, with the containerd store, by its manifest.
    return image_id in (manifest["config"]["digest"], reply.headers.get("Docker-Content-Digest"))

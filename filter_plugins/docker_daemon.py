"""The engine's settings file: our keys merged into the user's, and taken out of it again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

# What dockerd reads again on SIGHUP (docs.docker.com/reference/cli/dockerd, "Configuration reload behavior").
# A change of anything else needs a restart.
RELOADABLE = frozenset(
    {
        "allow-nondistributable-artifacts",
        "authorization-plugins",
        "debug",
        "default-runtime",
        "features",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "registry-mirrors",
        "runtimes",
        "shutdown-timeout",
    }
)


def parse_daemon_file(text: str) -> dict[str, Any]:
    """The settings in the text of a daemon.json; an empty text holds none.

    A file that is no JSON object is an error: overwriting it would lose what its owner meant.
    """
    if not text.strip():
        return {}
    try:
        settings = json.loads(text)
    except json.JSONDecodeError as fault:
        raise AnsibleFilterError(
            f"/etc/docker/daemon.json is not valid JSON ({fault}). Correct it or move it away."
        ) from fault
    if not isinstance(settings, dict):
        raise AnsibleFilterError("/etc/docker/daemon.json is not a JSON object. Correct it or move it away.")
    return settings


def merge_daemon_settings(
    existing: Mapping[str, Any], wanted: Mapping[str, Any], record: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Put `wanted` into `existing`, and undo what an earlier run put there and nobody wants any more.

    Args:
        existing: the settings file as it is.
        wanted: the settings that we are to hold; a key outside it is its user's.
        record: what the last run returned as `record`, or empty: {"ours": {key: value}, "before": {key:
            value}} where `before` holds the values that stood there until we came.

    Returns:
        {"settings": the file as it should be, "record": to be kept for the next run}. With `wanted` empty the
        settings are the user's own again. A key that the user changed after us is left alone.
    """
    ours, before = dict(record.get("ours", {})), dict(record.get("before", {}))
    settings = dict(existing)
    for key in sorted(ours.keys() - wanted.keys()):
        if settings.get(key) == ours[key]:
            if key in before:
                settings[key] = before[key]
            else:
                settings.pop(key, None)
        before.pop(key, None)
    for key in wanted.keys() - ours.keys():
        if key in existing:
            before[key] = existing[key]
    settings.update(wanted)
    return {"settings": settings, "record": {"ours": dict(wanted), "before": before}}


def daemon_reaction(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What a running engine needs to take a change up: `none`, `reload` or `restart`."""
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    if not changed:
        return "none"
    return "reload" if changed <= RELOADABLE else "restart"


def cgroup_below_init(text: str) -> str:
    """The cgroup for containers of an engine that itself runs in a container.

    Without it they land beside that container's cgroup, so its limits do not bind them and empty folders
    stay behind.

    Args:
        text: /proc/1/cgroup of the host of the engine, of cgroup v1, v2 or both.

    Returns:
        A path such as /docker/4f…/nested, or "" when PID 1 is at the root: a real machine needs none.
    """
    paths = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        paths[controllers] = path
    path = paths.get("name=systemd") or paths.get("", "/")
    path = path.removesuffix("/init.scope").rstrip("/")
    return f"{path}/nested" if path else ""


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "medialift_daemon_file": parse_daemon_file,
            "medialift_daemon_merge": merge_daemon_settings,
            "medialift_daemon_reaction": daemon_reaction,
            "medialift_cgroup_below_init": cgroup_below_init,
        }

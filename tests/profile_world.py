"""What a burst is given: the playbooks' wiring and the roles' variables, as Ansible itself renders them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.settings import ROOT
from tests.ansible_world import ansible_playbook

# What is asked for, by the name under which a test reads it.
VALUES = {
    "offers": "__scaleway_instance_offers",
    "root_volume_size": "scaleway_instance_root_volume_size or __scaleway_instance_base.root_volume_size",
    "lifetime": "scaleway_instance_lifetime or __scaleway_instance_base.lifetime",
    "disk": "plex_burst_disk",
    "mount_profile": "rclone_mount_profile",
    "mount_flags": "__rclone_mount_flags",
    "settings": "__plex_burst_settings",
    "times": "__plex_burst_times",
    "ready_timeout": "plex_burst_ready_timeout",
    "attach_looks": "__plex_burst_attach_looks | int",
    "attach_timeout": "plex_burst_attach_timeout",
}


def rendered(
    machines: Mapping[str, Mapping[str, Any]], folder: Path, *, everywhere: Mapping[str, Any] | None = None
) -> dict[str, dict[str, Any]]:
    """{machine: {name: value}} of machines of the group plex_burst, each with variables of its own.

    Args:
        everywhere: what the inventory's group_vars/all says: the playbooks' own group_vars stand above it.
    """
    for name in ("group_vars", "vars"):
        (folder / name).symlink_to(ROOT / "playbooks" / name)
    inventory = folder / "inventory"
    (inventory / "group_vars").mkdir(parents=True)
    (inventory / "group_vars/all.json").write_text(json.dumps(everywhere or {}))
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts = {name: {**local, **given} for name, given in machines.items()}
    (inventory / "hosts.json").write_text(
        json.dumps({"all": {"children": {"plex_burst": {"hosts": hosts}, "plex_home": {}}}})
    )
    asked = ", ".join(f"'{name}': {expression}" for name, expression in VALUES.items())
    play = {
        "name": "Render",
        "hosts": "plex_burst",
        "gather_facts": False,
        # Named and not run: a role's variables are the play's as soon as the play names it.
        "roles": [
            {"role": name, "when": False} for name in ("scaleway_instance", "rclone_mount", "plex_burst")
        ],
        "tasks": [
            {
                "name": "Tell",
                "ansible.builtin.copy": {
                    "content": f"{{{{ {{{asked}}} | to_json }}}}",
                    "dest": f"{folder}/{{{{ inventory_hostname }}}}.json",
                    "mode": "0600",
                },
            }
        ],
    }
    (folder / "play.yml").write_text(json.dumps([play]))
    played = ansible_playbook("-i", str(inventory / "hosts.json"), str(folder / "play.yml"), home=folder)
    assert played.returncode == 0, played.stdout + played.stderr
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in machines}

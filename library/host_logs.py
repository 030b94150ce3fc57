#!/usr/bin/python
from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_logs
short_description: Collect a host's logs, without its secrets, into one archive
description:
  - Packs log files, the journals of systemd units and what the host says about itself (settings without
    secrets, versions, mounts, units, room on disks) into C(<name>.tar.zst).
  - Puts the archive into a folder of the host, into the object store of C(/etc/medialift/medialift.toml), or
    into both.
  - A source that cannot be read becomes a member that says so; the others are collected all the same.
  - Of two places one may fail. The archive is in the other one then, and RV(problems) and a warning tell why.
attributes:
  check_mode:
    support: full
    description: It predicts a change and writes nothing.
  diff_mode:
    support: none
    description: There is nothing to compare.
  idempotent:
    support: none
    description: Logs change all the time; every run collects them anew.
options:
  name:
    description: Name of the archive, without its ending.
    type: str
    required: true
  files:
    description: Patterns of absolute paths, C(**) for any depth. Of many matches the newest files are taken.
    type: list
    elements: str
    default: []
  units:
    description: Systemd units, or patterns such as C(rclone-*), whose journal is collected.
    type: list
    elements: str
    default: []
  secrets:
    description: Values to mask besides those that are known by their shape and those of the settings.
    type: list
    elements: str
    default: []
  folder:
    description: Folder on the host for the archive.
    type: path
  store:
    description: Whether the archive goes to the store, below C(logs/). By default only without O(folder).
    type: bool
  timeout:
    description: Seconds that the collection may take. What was not collected by then is left out, and told.
    type: float
    default: 300
  store_timeout:
    description: Seconds over which a failing store is tried again.
    type: float
    default: 60
author: [medialift]
"""

EXAMPLES = r"""
- name: Bring the logs of a burst out
  host_logs:
    name: burst-home
    files: ["/srv/plex/config/Library/Application Support/Plex Media Server/Logs/*.log"]
    units: [plex.service, "rclone-*"]
    folder: /var/lib/medialift/logs
    store: true
"""

RETURN = r"""
url:
  description: Where the archive is; the address in the store, or the path if it is not there.
  type: str
  returned: not in check mode
path:
  description: Where it is on the host; empty if it is not there.
  type: str
  returned: not in check mode
bytes:
  description: Its size.
  type: int
  returned: not in check mode
sha256:
  description: Its checksum.
  type: str
  returned: not in check mode
members:
  description: How many parts are in it.
  type: int
  returned: not in check mode
missing:
  description: Names of the parts that could not be collected; in the archive each says why.
  type: list
  elements: str
  returned: not in check mode
problems:
  description: Why the archive is not in a place that it was meant for.
  type: list
  elements: str
  returned: not in check mode
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime


def argument_spec():
    return {
        "name": {"type": "str", "required": True},
        "files": {"type": "list", "elements": "str", "default": []},
        "units": {"type": "list", "elements": "str", "default": []},
        "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
        "folder": {"type": "path"},
        "store": {"type": "bool"},
        "timeout": {"type": "float", "default": 300},
        "store_timeout": {"type": "float", "default": 60},
    }


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    logs = runtime(module, "medialift.diagnostics.logs")
    if module.check_mode:
        module.exit_json(changed=True, predicted=True)
    with reporting_errors(module):
        told = logs.collect_here(
            logs.Sources(module.params["files"], module.params["units"], module.params["secrets"]),
            name=module.params["name"],
            folder=Path(module.params["folder"]) if module.params["folder"] else None,
            store=module.params["store"],
            limits=logs.Limits(seconds=module.params["timeout"]),
            patience=module.params["store_timeout"],
        ).to_dict()
    for problem in told["problems"]:
        module.warn(problem)
    module.exit_json(changed=True, **told)


if __name__ == "__main__":
    main()

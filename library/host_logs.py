#!/usr/bin/python
from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_logs
short_description: Collect a host's logs, without its secrets, into one archive
description:
  - Packs log files and the journals of systemd units into C(<name>.tar.zst), masks secrets, and puts the
    archive into a folder of the host or straight into the object store of C(/etc/medialift/medialift.toml).
  - A source that cannot be read becomes a member that says so; the others are collected all the same.
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
    description: Patterns of absolute paths, C(**) for any depth.
    type: list
    elements: str
    default: []
  units:
    description: Systemd units whose journal is collected.
    type: list
    elements: str
    default: []
  secrets:
    description: Values to mask besides those that are known by their shape.
    type: list
    elements: str
    default: []
  folder:
    description: Folder on the host for the archive. Without it the archive goes to the store, below C(logs/).
    type: path
author: [medialift]
"""

EXAMPLES = r"""
- name: Bring the logs of a burst out
  host_logs:
    name: burst-home
    files: ["/srv/plex/config/Library/Application Support/Plex Media Server/Logs/*.log"]
    units: [plex.service, rclone-media.service]
"""

RETURN = r"""
url:
  description: Where the archive is.
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
  description: How many logs are in it.
  type: int
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
        )
    module.exit_json(changed=True, **told)


if __name__ == "__main__":
    main()

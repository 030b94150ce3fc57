#!/usr/bin/python
"""The module plex_settings: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plex_settings
short_description: Set Plex Media Server's settings, and read every one of them back
description:
  - Plex answers 200 to a setting that it does not know. This module fails on one that the server does not
    list, before anything is set, and on one that it did not keep.
author: medialift
attributes:
  check_mode:
    support: full
    description: Compares. A server that does not answer yet yields a predicted change.
  diff_mode:
    support: full
    description: Shows each setting before and after.
  idempotent:
    support: full
    description: A second run reports no change.
options:
  url:
    description: Where Plex answers. By IP address, since an unclaimed server refuses unknown names.
    type: str
    default: http://127.0.0.1:32400
  preferences:
    description: The server's Preferences.xml on the host. A claimed server's token is read from it.
    type: path
  profile:
    description:
      - V(lockdown) is what a scan in the cloud needs, above all that the trash is not emptied and that
        nothing else is scanned or generated.
      - V(home) keeps the trash from being emptied before and after an import.
    type: str
    choices: [none, home, lockdown]
    default: none
  sonic:
    description: Let the profile V(lockdown) allow sonic analysis.
    type: bool
    default: false
  settings:
    description:
      - Settings by their ids on C(/:/prefs), besides those of the profile.
      - A null takes a setting out of the profile, for a version of Plex that does not have it.
    type: dict
    default: {}
  timeout:
    description: Seconds to wait until the server can be written.
    type: float
    default: 900
"""

EXAMPLES = r"""
- name: Keep the trash at home
  plex_settings:
    preferences: "/srv/plex/config/Library/Application Support/Plex Media Server/Preferences.xml"
    profile: home
"""

RETURN = r"""
changes:
  description: The settings that were, or would be, changed.
  type: list
  elements: dict
  returned: always
  sample: [{"id": "autoEmptyTrash", "before": "true", "after": "0"}]
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime


def argument_spec():
    return {
        "url": {"type": "str", "default": "http://127.0.0.1:32400"},
        "preferences": {"type": "path"},
        "profile": {"type": "str", "choices": ["none", "home", "lockdown"], "default": "none"},
        "sonic": {"type": "bool", "default": False},
        "settings": {"type": "dict", "default": {}},
        "timeout": {"type": "float", "default": 900},
    }


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    preferences = runtime(module, "medialift.plex.preferences")
    servers = runtime(module, "medialift.plex.server")
    errors = runtime(module, "medialift.errors")
    options = module.params
    with reporting_errors(module, changed=False):
        wanted = preferences.wanted(options["profile"], sonic=options["sonic"], overrides=options["settings"])
        server = servers.connect(
            options["url"], Path(options["preferences"]) if options["preferences"] else None
        )
        if module.check_mode:
            try:
                changes = preferences.plan(server, wanted)
            except errors.Transient as error:
                module.exit_json(changed=True, predicted=True, changes=[], msg=str(error))
        else:
            server.wait_ready(at_most=options["timeout"])
            changes = preferences.apply(server, wanted)
    module.exit_json(
        changed=bool(changes),
        changes=[change.to_dict() for change in changes],
        diff={
            "before": {change.id: change.before for change in changes},
            "after": {change.id: change.after for change in changes},
        },
    )


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""The module jellyfin_posters: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: jellyfin_posters
short_description: Download, replace or put back posters of a Jellyfin in one batch
description:
  - Begins a batch, which the workers under systemd (role C(posters)) do, and waits for it when it should.
  - Jellyfin, its key, the folder and the ledger are read from the settings file of the host (O(config)).
  - Each picture of Jellyfin that is replaced is kept before, so V(restore) can put it back.
author: medialift
attributes:
  check_mode:
    support: full
    description: Tells how many pictures a batch would be about. None is begun, and nothing is written.
  diff_mode:
    support: full
    description: Shows the items of the batch by their state, before and after.
  idempotent:
    support: full
    description: Pictures that are as they should be are skipped, on either side. The batch is a new one.
options:
  action:
    description:
      - V(download) brings the pictures of O(ids), or of O(libraries) and O(search), or of everything.
      - V(upload) puts the pictures of O(folder) in the place of Jellyfin's.
      - V(restore) puts back what O(batch) replaced, or the pictures of O(ids) that were replaced first.
      - V(retry) takes up what failed in O(batch), V(cancel) begins nothing more of it.
      - V(status) tells how O(batch) stands. Without a number the newest is meant.
    type: str
    choices: [download, upload, restore, retry, cancel, status]
    default: status
  config:
    description: The settings file of the host.
    type: path
    default: /etc/medialift/posters.toml
  libraries:
    description: With V(download), libraries of Jellyfin, by name or id.
    type: list
    elements: str
    default: []
  search:
    description: With V(download), only titles that have this.
    type: str
    default: ""
  ids:
    description: Ids of items in Jellyfin.
    type: list
    elements: str
    default: []
  image:
    description: Kind of picture. Without one that of the settings.
    type: str
    choices: [Primary, Backdrop, Logo, Thumb, Banner]
  replace:
    description: With V(download), replace files that somebody changed here, too.
    type: bool
    default: false
  folder:
    description: With V(upload), the folder of pictures named C(Title [ID].jpg). Without one C(upload) in
      that of posters.
    type: path
  batch:
    description: Number of a batch.
    type: int
  wait:
    description: Wait until the batch is over. It fails when some of its items have failed.
    type: bool
    default: false
  timeout:
    description: How long to wait, such as V(2h).
    type: str
    default: 2h
"""

EXAMPLES = r"""
- name: Bring the posters of two libraries
  jellyfin_posters:
    action: download
    libraries: [Movies, Shows]
    wait: true

- name: Put back what batch 12 replaced
  jellyfin_posters:
    action: restore
    batch: 12
"""

RETURN = r"""
batch:
  description: The batch and how it stands, with C(id), C(state), C(total), C(left) and items by C(states).
  type: dict
  returned: except in check mode, where only C(action), C(image) and C(total) are known
  sample: {"id": 12, "state": "done", "total": 310, "left": 0, "states": {"done": 12, "skipped": 298}}
left:
  description: With V(upload), files that were not taken, each with the reason.
  type: dict
  returned: with upload
  sample: {"holiday.jpg": "there is no id in its name"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime


def argument_spec():
    return dict(
        action=dict(
            type="str",
            choices=["download", "upload", "restore", "retry", "cancel", "status"],
            default="status",
        ),
        config=dict(type="path", default="/etc/medialift/posters.toml"),
        libraries=dict(type="list", elements="str", default=[]),
        search=dict(type="str", default=""),
        ids=dict(type="list", elements="str", default=[]),
        image=dict(type="str", choices=["Primary", "Backdrop", "Logo", "Thumb", "Banner"]),
        replace=dict(type="bool", default=False),
        folder=dict(type="path"),
        batch=dict(type="int"),
        wait=dict(type="bool", default=False),
        timeout=dict(type="str", default="2h"),
    )


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    by_hand = runtime(module, "medialift.posters.by_options", changes=module.params["action"] != "status")
    with reporting_errors(module):
        result = by_hand.do(module.params, check=module.check_mode)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

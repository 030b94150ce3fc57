#!/usr/bin/python
"""The module mount_health: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mount_health
short_description: Fail unless a mount really reads
description:
  - Reads random ranges of random files through a mount, and fails unless it is healthy. A mount that lost its
    store still lists and stats as if it were well, so only bytes that were just read count.
  - It never hangs. A read that does not come back within O(deadline) makes the mount V(hung).
  - A file that cannot be read among others that can does not condemn the mount. It is named in RV(differing).
author: medialift
attributes:
  check_mode:
    support: full
    description: It only reads, so it does the same. A mount that is not there yet is predicted, not failed.
  diff_mode:
    support: none
    description: It changes nothing.
  idempotent:
    support: full
    description: It changes nothing.
options:
  mountpoint:
    description: Where the mount is.
    type: path
    required: true
  files:
    description: Absolute paths that should be there. O(sample) random ones are read.
    type: list
    elements: path
    default: []
  roots:
    description:
      - Folders below which files are looked for and read.
      - With neither files nor roots, the mountpoint itself.
    type: list
    elements: path
    default: []
  sample:
    description:
      - How many files are read, of O(files) and below each root.
      - With V(1) a healthy mount costs one small read. More are read when it fails.
    type: int
    default: 5
  needed:
    description: Failing files that condemn the mount when they outnumber the others.
    type: int
    default: 3
  deadline:
    description: Seconds for everything together.
    type: float
    default: 60
  filesystem:
    description: Type that the mount must have. Empty when a plain folder will do.
    type: str
    default: fuse.rclone
  source:
    description: What must be mounted, as the kernel names it. Empty for anything.
    type: str
    default: ""
  remote:
    description:
      - The store behind the mount. A sample of what was read is read from there once more, past the mount,
        and must be the same bytes.
    type: dict
    suboptions:
      rclone:
        description: The program.
        type: path
        required: true
      config:
        description: Its configuration file. Credentials stay in it.
        type: path
        required: true
      remote:
        description: What is mounted, as C(store:bucket/prefix).
        type: str
        required: true
      options:
        description: Further flags that rclone needs to reach the store.
        type: list
        elements: str
        default: []
  allow_empty:
    description: Accept a mount that lists nothing, as that of a new bucket does.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Prove that the media can be read
  mount_health:
    mountpoint: /mnt/cloud/media
    roots: [/mnt/cloud/media/Movies, /mnt/cloud/media/Music]

- name: Prove that they are what the store holds
  mount_health:
    mountpoint: /mnt/cloud/media
    source: medialift-media
    remote:
      rclone: /opt/rclone/bin/rclone
      config: /etc/rclone/media.conf
      remote: store:media
"""

RETURN = r"""
state:
  description:
    - V(healthy), or what is wrong. Nothing is mounted (V(absent)), something else is (V(foreign)), it lists
      nothing (V(empty)), its program died (V(stale)), it lists but does not read (V(degraded)), or it does
      not come back (V(hung)).
  type: str
  returned: always
  sample: healthy
reason:
  description: Why it is not healthy. Empty when it is.
  type: str
  returned: always
reads:
  description: What was read.
  type: list
  elements: dict
  returned: always
  sample: [{"path": "/mnt/cloud/media/a.mkv", "at": 1700000000.0, "seconds": 0.04, "ok": true, "error": ""}]
differing:
  description:
    - Files that are missing, cannot be read, or are not what the store holds. A healthy mount may name a few.
  type: list
  elements: str
  returned: always
note:
  description: Why the store itself was not compared with, if it was to be.
  type: str
  returned: always
predicted:
  description: The mount is not there yet, which is no failure in check mode.
  type: bool
  returned: in check mode, when it is absent
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime


def argument_spec():
    return {
        "mountpoint": {"type": "path", "required": True},
        "files": {"type": "list", "elements": "path", "default": []},
        "roots": {"type": "list", "elements": "path", "default": []},
        "sample": {"type": "int", "default": 5},
        "needed": {"type": "int", "default": 3},
        "deadline": {"type": "float", "default": 60},
        "filesystem": {"type": "str", "default": "fuse.rclone"},
        "source": {"type": "str", "default": ""},
        "remote": {
            "type": "dict",
            "options": {
                "rclone": {"type": "path", "required": True},
                "config": {"type": "path", "required": True},
                "remote": {"type": "str", "required": True},
                "options": {"type": "list", "elements": "str", "default": []},
            },
        },
        "allow_empty": {"type": "bool", "default": False},
    }


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    mounts = runtime(module, "medialift.mounts.probe", changes=False)
    options = dict(module.params)
    allow_empty, remote = options.pop("allow_empty"), options.pop("remote")
    if remote is not None:
        options["remote"] = mounts.Remote(
            Path(remote["rclone"]),
            Path(remote["config"]),
            remote["remote"],
            Path(options["mountpoint"]),
            tuple(remote["options"]),
        )
    with reporting_errors(module):
        verdict = mounts.probe(**options)
    told = dict(verdict.to_dict(), changed=False)
    if verdict.healthy or (allow_empty and verdict.state == mounts.EMPTY):
        module.exit_json(**told)
    if module.check_mode and verdict.state == mounts.ABSENT:
        module.exit_json(predicted=True, **told)
    module.fail_json(
        msg=f"The mount {verdict.mountpoint} is {verdict.state}: {verdict.reason}.",
        kind="unsafe",
        **told,
    )


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""The module mount_monitor: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mount_monitor
short_description: Have a mount monitored, and wait until it is healthy
description:
  - The monitor is a service of the host (C(medialift-mount-monitor@NAME)) that reads random bytes through the
    mount again and again. It publishes its state, its history and Prometheus metrics below O(folder), and
    brings the mount back when it is told to (O(recover)).
  - It recovers in the one order that harms nobody. What reads through the mount is stopped first, and goes on
    when the mount was found healthy. While a job of the host runs it only tells, since a run recovers its own
    mounts. Two recoveries of a mount never go on at once.
  - The service is enabled at boot by the role C(rclone_mount), not by this module.
author: medialift
attributes:
  check_mode:
    support: full
    description: It checks the options and predicts whether a monitor would be started or stopped.
  diff_mode:
    support: full
    description: Shows whether a monitor runs before and after, and with which options.
  idempotent:
    support: full
    description: A monitor that runs with these options, from this release, is left alone.
options:
  name:
    description: Name of the mount. Small letters, digits, C(_) and C(-).
    type: str
    required: true
  state:
    description:
      - V(started) has a monitor run with these options. One that runs with others, or from an older release
        of the runtime, is started anew.
      - V(stopped) has none run. It stops at once, also while a read hangs.
      - V(healthy) waits until the monitor that runs has found the mount healthy, and fails after O(timeout).
    type: str
    choices: [started, stopped, healthy]
    default: started
  timeout:
    description: Seconds to wait for with V(healthy).
    type: float
    default: 300
  poll:
    description: Seconds between two looks.
    type: float
    default: 1
  history:
    description: How many of the newest lines of the history are returned.
    type: int
    default: 20
  mountpoint:
    description: Where the mount is. Needed with V(started).
    type: path
  roots:
    description: Folders below which files are looked for and read. Without any, the mountpoint itself.
    type: list
    elements: path
    default: []
  sample:
    description: How many files each probe reads, below each root.
    type: int
    default: 5
  deadline:
    description: Seconds for each probe.
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
      - The store behind the mount, with which a sample is compared, and which must answer before the mount is
        recovered because it does not read.
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
    description: A mount that lists nothing is healthy, as that of a new bucket is.
    type: bool
    default: false
  every:
    description: Seconds from one probe to the next.
    type: float
    default: 60
  grace:
    description: Seconds after the start in which a mount may be ill, so that it can come up.
    type: float
    default: 120
  threshold:
    description: How many probes in a row must fail before the mount is given up.
    type: int
    default: 3
  unit:
    description: The systemd unit that mounts it. Needed with O(recover).
    type: str
    default: ""
  recover:
    description: Bring the mount back when it has failed. Otherwise that is only told.
    type: bool
    default: false
  consumers:
    description:
      - Systemd units that read through the mount, in the order in which they are stopped for a recovery.
      - A service that reads on while the mount is down sees an empty folder, and Plex then deletes what it no
        longer finds.
    type: list
    elements: str
    default: []
  metrics_file:
    description: A further place for the metrics, such as a C(.prom) in node_exporter's textfile folder.
    type: str
    default: ""
  listen:
    description: Address of the host's own at which the metrics are served, as C(127.0.0.1:9816).
    type: str
    default: ""
  jobs_folder:
    description: Folder of the host's jobs. While one runs nothing is recovered.
    type: path
    default: /var/lib/medialift/jobs
  folder:
    description: Folder of the monitors' files.
    type: path
    default: /var/lib/medialift/mounts
  supervisor:
    description: What runs the monitor. V(process) is for hosts without systemd.
    type: str
    choices: [systemd, process]
    default: systemd
"""

EXAMPLES = r"""
- name: Have the media watched over, and Plex stopped while they are brought back
  mount_monitor:
    name: media
    mountpoint: /mnt/cloud/media
    unit: rclone-media.service
    recover: true
    consumers: [plex.service]

- name: Wait until they read
  mount_monitor:
    name: media
    state: healthy
    timeout: 120
"""

RETURN = r"""
running:
  description: Whether a monitor runs.
  type: bool
  returned: always
unit:
  description: Its unit. Empty without systemd.
  type: str
  returned: always
status:
  description:
    - What the monitor published last (state, reason, since, last_success, failures, failed, recoveries,
      waiting, note and more). Empty when none ever ran.
  type: dict
  returned: always
  sample: {"state": "healthy", "failures": 0, "failed": false, "recoveries": 1, "last_success": 1700000000.0}
history:
  description: The newest lines of its history, oldest first (probes, recoveries with their steps).
  type: list
  elements: dict
  returned: always
  sample: [{"at": 1700000000.0, "event": "probe", "state": "healthy", "seconds": 0.2}]
predicted:
  description: Whether the monitor does not run yet, so that health could not be waited for.
  type: bool
  returned: in check mode
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime

# The options that are the monitor's own; all others are about the service.
WATCH_OPTIONS = (
    "mountpoint roots sample deadline filesystem source remote allow_empty every grace threshold unit "
    "recover consumers metrics_file listen jobs_folder"
)


def argument_spec():
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["started", "stopped", "healthy"], "default": "started"},
        "timeout": {"type": "float", "default": 300},
        "poll": {"type": "float", "default": 1},
        "history": {"type": "int", "default": 20},
        "mountpoint": {"type": "path"},
        "roots": {"type": "list", "elements": "path", "default": []},
        "sample": {"type": "int", "default": 5},
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
        "every": {"type": "float", "default": 60},
        "grace": {"type": "float", "default": 120},
        "threshold": {"type": "int", "default": 3},
        "unit": {"type": "str", "default": ""},
        "recover": {"type": "bool", "default": False},
        "consumers": {"type": "list", "elements": "str", "default": []},
        "metrics_file": {"type": "str", "default": ""},
        "listen": {"type": "str", "default": ""},
        "jobs_folder": {"type": "path", "default": "/var/lib/medialift/jobs"},
        "folder": {"type": "path", "default": "/var/lib/medialift/mounts"},
        "supervisor": {"type": "str", "choices": ["systemd", "process"], "default": "systemd"},
    }


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
        required_if=[("state", "started", ["mountpoint"])],
    )
    params = module.params
    name, state = params["name"], params["state"]
    reads = state == "healthy"
    service = runtime(module, "medialift.mounts.monitors", changes=not reads)
    monitors = service.Monitors(Path(params["folder"]), params["supervisor"])
    with reporting_errors(module, changed=False):
        before = monitors.described(name)
        if reads and module.check_mode and not before["running"]:
            module.exit_json(changed=False, predicted=True, **monitors.status(name, params["history"]))
        if reads:
            monitors.healthy(name, params["timeout"], every=params["poll"])
            changed, after = False, before
        elif state == "stopped":
            changed = before["running"] if module.check_mode else monitors.stop(name)
            after = {**before, "running": False}
        else:
            given = {option: params[option] for option in WATCH_OPTIONS.split()}
            changed = monitors.must_start(name, given) if module.check_mode else monitors.start(name, given)
            after = monitors.wanted(given)
        told = monitors.status(name, params["history"])
    module.exit_json(changed=changed, diff={"before": before, "after": after if changed else before}, **told)


if __name__ == "__main__":
    main()

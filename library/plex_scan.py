#!/usr/bin/python
"""The module plex_scan: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plex_scan
short_description: Scan and analyse a Plex library as a job that outlives the connection
description:
  - Starts a run on the host as a systemd unit with a journal (C(medialift-job@NAME)), attaches to it, reads
    how it ended, or stops it. A controller that goes away loses nothing.
  - The run waits for Plex, claims it, locks its settings down, proves before each section that its files can
    be read, scans, analyses, has music analysed, and compares every section with before.
author: medialift
attributes:
  check_mode:
    support: full
    description: It checks the options and predicts whether a run would be started or stopped.
  diff_mode:
    support: full
    description: Shows the state of the job before and after.
  idempotent:
    support: full
    description: A run that goes on or has ended well is not started again.
options:
  name:
    description: Name of the job. The same name finds it again.
    type: str
    required: true
  state:
    description:
      - V(started) starts the run. One that goes on is left alone, and so is one that has ended well. One that
        failed or died is started again.
      - V(finished) waits for the end for O(timeout) seconds and fails if the run failed. It never starts one,
        so it can be repeated with C(until).
      - V(cancelled) stops it and waits until it has stopped.
    type: str
    choices: [started, finished, cancelled]
    default: started
  jobs_folder:
    description: Folder of the host's jobs.
    type: path
    default: /var/lib/medialift/jobs
  timeout:
    description: Seconds to wait for with V(finished) and V(cancelled).
    type: float
    default: 300
  poll:
    description: Seconds between two looks.
    type: float
    default: 2
  supervisor:
    description: What runs the job. V(process) is for hosts without systemd.
    type: str
    choices: [systemd, process]
    default: systemd
  url:
    description: Where Plex answers. By IP address.
    type: str
    default: http://127.0.0.1:32400
  preferences:
    description: The server's Preferences.xml on the host.
    type: path
  database:
    description: Plex's library database on the host.
    type: path
  blobs:
    description: Plex's blobs database on the host.
    type: path
  sections:
    description: Names of the sections to work on. Without any, all but photos.
    type: list
    elements: str
    default: []
  photo:
    description: Work on photo sections too. Immich suits photos better.
    type: bool
    default: false
  analyze:
    description: Have the media of each section analysed after its scan.
    type: bool
    default: true
  sonic:
    description: Analyse music, if a music section is worked on.
    type: bool
    default: true
  mode:
    description: V(delta) works on the library that is there. V(scratch) makes O(create_sections) first.
    type: str
    choices: [delta, scratch]
    default: delta
  create_sections:
    description: Sections to make, each with name, type and locations, and maybe agent, scanner and language.
    type: list
    elements: dict
    default: []
  roots:
    description: Path inside the container to path on the host, for each mount.
    type: dict
    default: {}
  mount_units:
    description:
      - Path on the host to systemd unit, for each mount that may be restarted.
      - When a mount stops reading while Plex reads through it, the scan is cancelled. A mount with a unit is
        restarted, another is waited for; then the section is scanned again.
    type: dict
    default: {}
  remotes:
    description:
      - Path on the host to how the store itself is asked about a mount's files, with rclone, config (its
        configuration file), remote (C(store:bucket/prefix)) and maybe options (further flags).
      - Before and after a scan some of what the mount reads is compared with it.
    type: dict
    default: {}
  plex_unit:
    description: Systemd unit of Plex, restarted when it does not cease what was cancelled. Empty for never.
    type: str
    default: ""
  tries:
    description: How often a scan or analysis is begun whose mount stops reading, before the run fails.
    type: int
    default: 3
  container:
    description: Words that run a command inside Plex's container. None when Plex runs on the host itself.
    type: list
    elements: str
    default: []
  mount_type:
    description: Type that the mounts must have. Empty when plain folders will do.
    type: str
    default: fuse.rclone
  times:
    description: Limits, in seconds or as text such as C(4h). C(docs/plex-burst.md) lists them.
    type: dict
    default: {}
  settings:
    description: Plex settings besides the lockdown. A null takes one out of it.
    type: dict
    default: {}
  store:
    description:
      - What of the object store each mount shows. With one mount the root need not be told.
      - Items that a scan took away are looked up there. Without it none of their deletions is believed,
        unless the media lie in plain folders (O(mount_type) empty).
      - Address and keys are read from the settings file of the host.
    type: list
    elements: dict
    default: []
    suboptions:
      bucket:
        description: The bucket.
        type: str
        required: true
      prefix:
        description: What the keys of the media start with.
        type: str
        default: ""
      root:
        description: Path inside the container where it is seen.
        type: str
        default: ""
  accept_deletions:
    description:
      - Deletions that the store confirms are meant, however many they are. Without it more than 3 items that
        are more than 2 % of a section send the archive into the quarantine, and so does an emptied section.
    type: bool
    default: false
  config:
    description: The settings file of the host. Without it C(/etc/medialift/medialift.toml).
    type: path
  claim_token:
    description: A claim token, for a server that is not claimed yet.
    type: str
  claim_file:
    description: A file on the host that holds one.
    type: path
  account_token:
    description: The token of a Plex account, with which a claim token is asked for when it is needed.
    type: str
  account_url:
    description: Where that is asked for.
    type: str
    default: https://plex.tv
"""

EXAMPLES = r"""
- name: Start the scan
  plex_scan:
    name: burst-home
    preferences: "{{ plex_data }}/Preferences.xml"
    database: "{{ plex_data }}/Plug-in Support/Databases/com.plexapp.plugins.library.db"
    container: [docker, exec, plex]
    roots: {/cloud/media: /mnt/cloud/media}

- name: Wait for its end
  plex_scan:
    name: burst-home
    state: finished
  register: scan
  until: scan.finished
  retries: 900
  delay: 1
"""

RETURN = r"""
job_state:
  description: How the job stands (absent, waiting, running, ok, failed or died).
  type: str
  returned: always
finished:
  description: Whether nothing more will happen by itself.
  type: bool
  returned: always
phases:
  description: The phases so far.
  type: list
  elements: dict
  returned: always
lines:
  description: The last lines of the journal, as a person reads them.
  type: list
  elements: str
  returned: always
result:
  description: What came of it, when it ended well.
  type: dict
  returned: when it ended well
  sample: {"outcome": "ok", "quarantine": {"flag": false, "reasons": []}, "sections": [], "sonic": null}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime

# The options that are the run's own; all others are about the job.
RUN_OPTIONS = (
    "sections photo analyze sonic mode create_sections roots container mount_type times settings "
    "mount_units remotes plex_unit tries "
    "database blobs store accept_deletions config"
)


def argument_spec():
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["started", "finished", "cancelled"], "default": "started"},
        "jobs_folder": {"type": "path", "default": "/var/lib/medialift/jobs"},
        "timeout": {"type": "float", "default": 300},
        "poll": {"type": "float", "default": 2},
        "supervisor": {"type": "str", "choices": ["systemd", "process"], "default": "systemd"},
        "url": {"type": "str", "default": "http://127.0.0.1:32400"},
        "preferences": {"type": "path"},
        "database": {"type": "path"},
        "blobs": {"type": "path"},
        "sections": {"type": "list", "elements": "str", "default": []},
        "photo": {"type": "bool", "default": False},
        "analyze": {"type": "bool", "default": True},
        "sonic": {"type": "bool", "default": True},
        "mode": {"type": "str", "choices": ["delta", "scratch"], "default": "delta"},
        "create_sections": {"type": "list", "elements": "dict", "default": []},
        "roots": {"type": "dict", "default": {}},
        "mount_units": {"type": "dict", "default": {}},
        "remotes": {"type": "dict", "default": {}},
        "plex_unit": {"type": "str", "default": ""},
        "tries": {"type": "int", "default": 3},
        "container": {"type": "list", "elements": "str", "default": []},
        "mount_type": {"type": "str", "default": "fuse.rclone"},
        "times": {"type": "dict", "default": {}},
        "settings": {"type": "dict", "default": {}},
        "store": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "bucket": {"type": "str", "required": True},
                "prefix": {"type": "str", "default": ""},
                "root": {"type": "str", "default": ""},
            },
        },
        "accept_deletions": {"type": "bool", "default": False},
        "config": {"type": "path"},
        "claim_token": {"type": "str", "no_log": True},
        "claim_file": {"type": "path"},
        "account_token": {"type": "str", "no_log": True},
        "account_url": {"type": "str", "default": "https://plex.tv"},
    }


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
        required_if=[("state", "started", ("preferences", "database"))],
        mutually_exclusive=[("claim_token", "claim_file", "account_token")],
    )
    starting = module.params["state"] == "started"
    work = runtime(module, "medialift.plex.work", changes=module.params["state"] != "finished")
    job = work.Job(Path(module.params["jobs_folder"]) / module.params["name"], module.params["supervisor"])
    with reporting_errors(module, changed=False):
        before = job.status().state
        if starting:
            changed = job.start(arguments(module.params), secrets(module.params), predict=module.check_mode)
        elif module.params["state"] == "cancelled":
            changed = job.cancel(
                module.params["timeout"], every=module.params["poll"], predict=module.check_mode
            )
        else:
            changed = False
            if not module.check_mode:
                job.wait(module.params["timeout"], every=module.params["poll"])
        told = job.told()
    told["diff"] = {
        "before": {"job": before},
        "after": {"job": "running" if changed and starting else told["job_state"]},
    }
    if module.params["state"] == "finished" and not module.check_mode and told["error"]:
        module.fail_json(msg=told["error"].pop("msg"), changed=False, **told.pop("error"), **told)
    told.pop("error")
    module.exit_json(changed=changed, **told)


def arguments(params):
    run = {name: params[name] for name in RUN_OPTIONS.split()}
    run["server"] = {"url": params["url"], "preferences": params["preferences"]}
    return run


def secrets(params):
    return {name: params[name] for name in ("claim_token", "claim_file", "account_token", "account_url")}


if __name__ == "__main__":
    main()

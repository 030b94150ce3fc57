#!/usr/bin/python
"""The module plex_db_import: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plex_db_import
short_description: Import the library of a burst into Plex, take it back, or inject one into an empty Plex
description:
  - At home (V(present)) the archive is unpacked, verified and given home's paths beside the library. Then
    Plex is stopped for some renames and must prove that it serves the new library. Anything that fails brings
    the library from before back.
  - An archive is refused when it is quarantined, damaged, from another version of Plex or a newer schema,
    when items would be lost, when the disk is too small, and when views, ratings or settings at home changed
    since the export.
  - In the cloud (V(injected)) home's library goes into a Plex that has none, with the cloud's paths. The
    archives of the original system (C(.tar.gz)) can be injected too.
  - It is a job of the host (C(medialift-job@NAME)), so it survives a lost connection. A second call with the
    same options attaches to one that still runs. One that was cut short is put right by the next.
  - Paths, rollbacks to keep and the credentials of the store are read from the settings file of the host.
author: medialift
attributes:
  check_mode:
    support: full
    description:
      - It reads the archive's description and home, and predicts. What would be refused is refused. Where
        Plex, its library or the archive is not there yet, the change is predicted without looking.
  diff_mode:
    support: full
    description: Shows the items of each section before and after.
  idempotent:
    support: full
    description: The archive that is in place is not imported or injected again.
options:
  state:
    description:
      - V(present) imports the archive at home.
      - V(injected) injects it into a Plex without a library, which must not run.
      - V(rolled_back) takes the last import back.
      - V(recovered) puts right an import or rollback that was cut short.
    type: str
    choices: [present, injected, rolled_back, recovered]
    default: present
  archive:
    description:
      - Name of the archive below the store's prefix, C(s3://bucket/key), the full path of a file, or
        C(newest), which is the newest usable one of this library.
    type: str
    default: newest
  archive_required:
    description: With V(newest), fail when there is none yet. Otherwise nothing is done, as suits a timer.
    type: bool
    default: true
  accept_loss:
    description: Import although views, ratings or settings made at home since the export are lost.
    type: bool
    default: false
  accept_deletions:
    description:
      - Import an archive that is quarantined only because a section lost many items, each of them confirmed
        by the store to be gone. Name it with O(archive), since V(newest) takes none from the quarantine.
    type: bool
    default: false
  wait:
    description: Seconds to wait until nobody is watching. Then they are interrupted.
    type: float
    default: 14400
  ready:
    description: Seconds that Plex may take to serve a library.
    type: float
    default: 900
  again:
    description: Import an archive even though it was rolled back by hand before.
    type: bool
    default: false
  path_map:
    description: For V(injected), home's paths to the cloud's. Without it the map in the archive's manifest.
    type: dict
  plex_version:
    description: For V(injected), refuse an archive of another version.
    type: str
    default: ""
  config:
    description: The settings file of the host. Without it C(/etc/medialift/medialift.toml).
    type: path
  jobs_folder:
    description: Folder of the host's jobs.
    type: path
    default: /var/lib/medialift/jobs
  supervisor:
    description: What runs the job. V(process) is for hosts without systemd.
    type: str
    choices: [systemd, process]
    default: systemd
  timeout:
    description: Seconds to wait for the end. The job goes on when they are over.
    type: float
    default: 28800
  poll:
    description: Seconds between two looks.
    type: float
    default: 2
"""

EXAMPLES = r"""
- name: Bring the newest burst home, if there is one
  plex_db_import:
    archive_required: false

- name: Take it back
  plex_db_import:
    state: rolled_back

- name: Put home's library into the Plex of an instance
  plex_db_import:
    state: injected
    archive: reference/home-20261121T031500Z.tar.zst
    path_map: {/library/media: /cloud/media}
    plex_version: 1.43.4.10903-2f8b9b1b5
"""

RETURN = r"""
outcome:
  description:
    - What was done, C(imported), C(injected), C(rolled back), C(unchanged), C(predicted), or how something
      was put right.
  type: str
  returned: when it did not fail
reason:
  description: Why nothing had to be done, or what would be.
  type: str
  returned: when nothing was done
archive:
  description: The archive's sha256.
  type: str
  returned: when it did not fail
sections:
  description: Every section with its items before and after.
  type: list
  elements: dict
  returned: when it did not fail
  sample: [{"name": "Movies", "type": "movie", "items_before": 220, "items_after": 224, "newly_deleted": 0}]
files:
  description: Files of Metadata and Media that were new, replaced and identical.
  type: dict
  returned: after an import
missing:
  description: Files of samples that Plex did not find, per section.
  type: dict
  returned: after an import
down:
  description: Seconds for which Plex was stopped.
  type: float
  returned: after an import
manifest:
  description: What the archive says of itself.
  type: dict
  returned: after an injection
remap:
  description: What the remap did.
  type: dict
  returned: after an injection
rolled_back:
  description: Whether a failed import put the library from before back.
  type: bool
  returned: after an import, failed or not
phases:
  description: The phases of the job.
  type: list
  elements: dict
  returned: when a job ran
job:
  description: Name of the job.
  type: str
  returned: when a job ran
predicted:
  description: Whether Plex or its library is not there yet, so that nothing could be looked at.
  type: bool
  returned: in check mode
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime

# Options of the job itself, by what is wanted; all others are about running it.
JOB_OPTIONS = {
    "present": "archive accept_loss accept_deletions wait ready again config",
    "injected": "archive path_map plex_version config",
    "rolled_back": "config",
    "recovered": "config",
}


def argument_spec():
    return {
        "state": {"type": "str", "choices": list(JOB_OPTIONS), "default": "present"},
        "archive": {"type": "str", "default": "newest"},
        "archive_required": {"type": "bool", "default": True},
        "accept_loss": {"type": "bool", "default": False},
        "accept_deletions": {"type": "bool", "default": False},
        "wait": {"type": "float", "default": 14400},
        "ready": {"type": "float", "default": 900},
        "again": {"type": "bool", "default": False},
        "path_map": {"type": "dict"},
        "plex_version": {"type": "str", "default": ""},
        "config": {"type": "path"},
        "jobs_folder": {"type": "path", "default": "/var/lib/medialift/jobs"},
        "supervisor": {"type": "str", "choices": ["systemd", "process"], "default": "systemd"},
        "timeout": {"type": "float", "default": 28800},
        "poll": {"type": "float", "default": 2},
    }


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    params = module.params
    imports = runtime(module, "medialift.plex.restore.work")
    work = imports.ImportWork(Path(params["jobs_folder"]), params["supervisor"])
    state = params["state"]
    arguments = {name: params[name] for name in JOB_OPTIONS[state].split() if params[name] is not None}
    arguments["state"] = state
    with reporting_errors(module, changed=False):
        if not params["archive_required"] and work.nothing_to_import(arguments):
            told = {"changed": False, "outcome": "unchanged", "reason": "there is no archive yet"}
        elif module.check_mode:
            told = work.predict(arguments)
        else:
            job = work.begin(arguments)
            told = work.end(job, params["timeout"], every=params["poll"])
            told["job"] = job.name
    if "error" in told:
        error = told.pop("error")
        module.fail_json(msg=error.pop("msg"), **error, **told)
    module.exit_json(diff=difference(told), **told)


def difference(told):
    sections = told.get("sections", [])
    return {
        side: {one["name"]: one[f"items_{side}"] for one in sections if f"items_{side}" in one}
        for side in ("before", "after")
    }


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""The module plex_db_export: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plex_db_export
short_description: Export a Plex library as a verified archive
description:
  - Exports the databases, metadata and media bundles of the Plex on this host as one archive (tar, zstd), to
    the object store, to folders, or to both at once.
  - Only the databases are copied on the host. Everything is hashed and read back from where it went. The
    file that describes the archive is written beside it only when it was found good. A failed export leaves
    nothing that looks like an archive.
  - Never exports what makes a server that server (Preferences.xml, tokens, certificates).
  - The export is a job of the host (C(medialift-job@NAME)), so it survives a lost connection. A second call
    with the same options attaches to one that still runs.
  - Credentials of the store are read from the settings file of the host.
author: medialift
attributes:
  check_mode:
    support: full
    description: It checks the options, and predicts names and sizes. Nothing is written.
  diff_mode:
    support: full
    description: Shows the archives of this label before and after.
  idempotent:
    support: partial
    description: With O(label). Without one each call makes a new archive.
options:
  label:
    description:
      - What the archive is for, in your words. If every destination has a usable archive of this label, whole
        by the size that its description tells, nothing is done.
    type: str
    default: ""
  kind:
    description: V(reference) is taken from home before a burst, V(burst) comes back from one.
    type: str
    choices: [reference, burst]
    default: reference
  library:
    description: Name of the library. Without one that of the settings (C(plex.library)).
    type: str
  destinations:
    description:
      - C(s3://bucket/prefix) or absolute folders. Without any the store of the settings.
    type: list
    elements: str
    default: []
  mode:
    description:
      - V(online) copies the databases of a running Plex while it is idle.
      - V(stopped) stops Plex for as long as the copy takes, and starts it again if it ran.
    type: str
    choices: [online, stopped]
    default: online
  contents:
    description: What goes in.
    type: list
    elements: str
    choices: [databases, metadata, media]
    default: [databases, metadata, media]
  previews:
    description: With the preview images (C(.bif)), which are large and which Plex can make again.
    type: bool
    default: true
  path_map:
    description:
      - Home's paths to the cloud's, kept in the manifest for the way back. Without it the file that the
        settings name (C(plex.path_map)).
    type: dict
  reference:
    description: Of a burst, what it was made from (C(sha256), C(created), C(watch_state)).
    type: dict
  quarantine:
    description: Why the archive must not be imported. Any reason sends it to the quarantine.
    type: list
    elements: str
    default: []
  acceptable:
    description:
      - The reasons for O(quarantine) are only that nobody said yet that deletions, which the store confirms,
        are meant. Such an archive can be imported with C(accept_deletions).
    type: bool
    default: false
  believed_deleted:
    description: Of a burst, the id of a section to the number of its items whose media the store lost.
    type: dict
    default: {}
  keep_damaged:
    description: Archive a damaged library too, in quarantine, instead of refusing it.
    type: bool
    default: false
  plex_version:
    description: Version of Plex that wrote the databases. Needed only where Plex does not answer.
    type: str
    default: ""
  data:
    description: Plex's data folder. Without it that of the settings (C(plex.data)).
    type: path
  work:
    description: Folder for the copies of the databases. Without it that of the settings (C(plex.workspace)).
    type: path
  level:
    description: How hard zstd tries, from 1 to 19.
    type: int
    default: 3
  idle_wait:
    description: Seconds to wait for Plex to be idle with O(mode=online).
    type: float
    default: 900
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
  wait:
    description: Wait for the end. Otherwise the job is only started.
    type: bool
    default: true
  timeout:
    description: Seconds to wait for. The export goes on when they are over.
    type: float
    default: 21600
  poll:
    description: Seconds between two looks.
    type: float
    default: 2
"""

EXAMPLES = r"""
- name: Take the reference archive from home
  plex_db_export:
    label: before-burst-12
    path_map: {/library/media: /cloud/media}
  register: reference

- name: Bring the result of a burst to the store, with Plex stopped
  plex_db_export:
    kind: burst
    mode: stopped
    reference:
      sha256: "{{ reference.sha256 }}"
      created: "{{ reference.manifest.created }}"
      watch_state: "{{ reference.manifest.watch_state }}"
"""

RETURN = r"""
archives:
  description: Where the archive is, or would be. The time in its name is that of the export.
  type: list
  elements: str
  returned: when it ended or was predicted
  sample: ["s3://medialift/plex/reference/home-20261121T031500Z.tar.zst"]
job:
  description: Name of the job. Empty when nothing had to be done.
  type: str
  returned: when not in check mode
bytes:
  description: Size of the archive.
  type: int
  returned: when it ended
sha256:
  description: Checksum of the archive.
  type: str
  returned: when it ended
members:
  description: Number of files in it.
  type: int
  returned: when it ended
content_bytes:
  description: Size of these files before packing.
  type: int
  returned: when it ended or was predicted
files:
  description: Number of files that would be packed.
  type: int
  returned: in check mode
quarantined:
  description: Whether the archive must not be imported.
  type: bool
  returned: when it ended
reasons:
  description: Why it must not.
  type: list
  elements: str
  returned: when it ended
manifest:
  description: What the archive says of itself (versions, sections with counts, path map, watch state).
  type: dict
  returned: when it ended
predicted:
  description: Whether Plex or the runtime is not on the host yet, so that sizes are unknown.
  type: bool
  returned: in check mode
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime

# The options that are the export's own; all others are about the job. Those left out keep their meaning
# "as in the settings".
EXPORT_OPTIONS = (
    "label kind library destinations mode contents previews path_map reference quarantine acceptable "
    "believed_deleted keep_damaged "
    "plex_version data work level idle_wait config"
)


def argument_spec():
    return {
        "label": {"type": "str", "default": ""},
        "kind": {"type": "str", "choices": ["reference", "burst"], "default": "reference"},
        "library": {"type": "str"},
        "destinations": {"type": "list", "elements": "str", "default": []},
        "mode": {"type": "str", "choices": ["online", "stopped"], "default": "online"},
        "contents": {
            "type": "list",
            "elements": "str",
            "choices": ["databases", "metadata", "media"],
            "default": ["databases", "metadata", "media"],
        },
        "previews": {"type": "bool", "default": True},
        "path_map": {"type": "dict"},
        "reference": {"type": "dict"},
        "quarantine": {"type": "list", "elements": "str", "default": []},
        "acceptable": {"type": "bool", "default": False},
        "believed_deleted": {"type": "dict", "default": {}},
        "keep_damaged": {"type": "bool", "default": False},
        "plex_version": {"type": "str", "default": ""},
        "data": {"type": "path"},
        "work": {"type": "path"},
        "level": {"type": "int", "default": 3},
        "idle_wait": {"type": "float", "default": 900},
        "config": {"type": "path"},
        "jobs_folder": {"type": "path", "default": "/var/lib/medialift/jobs"},
        "supervisor": {"type": "str", "choices": ["systemd", "process"], "default": "systemd"},
        "wait": {"type": "bool", "default": True},
        "timeout": {"type": "float", "default": 21600},
        "poll": {"type": "float", "default": 2},
    }


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    params = module.params
    exports = runtime(module, "medialift.plex.export_work")
    work = exports.ExportWork(Path(params["jobs_folder"]), params["supervisor"])
    arguments = {name: params[name] for name in EXPORT_OPTIONS.split() if params[name] is not None}
    with reporting_errors(module, changed=False):
        if module.check_mode:
            told = work.predict(arguments)
        else:
            job, told = work.begin(arguments)
            if job is not None:
                told = (
                    work.end(job, params["timeout"], every=params["poll"])
                    if params["wait"]
                    else {"changed": True}
                )
            told["job"] = job.name if job is not None else ""
    changed = told.pop("changed")
    archives = told.get("archives", [])
    told["diff"] = {"before": {"archives": [] if changed else archives}, "after": {"archives": archives}}
    module.exit_json(changed=changed, **told)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""The module plex_path_remap: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plex_path_remap
short_description: Move the paths in a Plex library database to where the media are now
description:
  - Changes the roots of the sections, the paths of the files, the C(file://) addresses of subtitles and
    lyrics, and C(file://) guids with all that hangs on them where the database allows it, in one transaction.
  - A prefix matches whole folder names only, byte by byte. All prefixes are applied in one pass, the longest
    first, so swaps and chains are safe.
  - Before anything is changed a copy of the database is written beside it (C(….before-remap-<UTC time>)), and
    with it the map and its inverse (C(….remap.json)).
  - A database that another program has open, or whose schema is not known, is refused.
author: medialift
attributes:
  check_mode:
    support: full
    description: It counts what would change. A database that is not there yet is a predicted change.
  diff_mode:
    support: full
    description: Shows per column and prefix how many values change.
  idempotent:
    support: full
    description: A second run finds nothing to change, even for a map that swaps folders.
options:
  database:
    description: The library database on the host, C(com.plexapp.plugins.library.db).
    type: path
    required: true
  mappings:
    description: Old prefix to new prefix. Absolute paths without a final separator, Windows paths too.
    type: dict
  path_map:
    description: A file on the host with the map, JSON or YAML, in place of O(mappings).
    type: path
  inverse:
    description: Go the way back, from the new prefixes to the old ones.
    type: bool
    default: false
  backup:
    description: Write a copy of the database beside it first.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Point the library at the mount of the cloud
  plex_path_remap:
    database: "{{ plex_data }}/Plug-in Support/Databases/com.plexapp.plugins.library.db"
    mappings: {/library/media: /cloud/media}

- name: And back again
  plex_path_remap:
    database: "{{ plex_data }}/Plug-in Support/Databases/com.plexapp.plugins.library.db"
    mappings: {/library/media: /cloud/media}
    inverse: true
"""

RETURN = r"""
changes:
  description: Number of values that were, or would be, changed.
  type: int
  returned: when the database is there
tables:
  description: The same per column and old prefix.
  type: dict
  returned: when the database is there
  sample: {"media_parts.file": {"/library/media": 490000}}
guids_left:
  description: Values with C(file://) guids that stay, since the database has old triggers.
  type: int
  returned: when the database is there
triggers:
  description: Generation of the database's triggers.
  type: str
  returned: when the database is there
residue:
  description: Values that still mention an old prefix, per column. Plex opens no file by these.
  type: dict
  returned: when something was changed
backup:
  description: The database as it was.
  type: str
  returned: when something was changed
record:
  description: The file with the map and its inverse.
  type: str
  returned: when something was changed
predicted:
  description: Whether the database is not there yet, so that nothing could be counted.
  type: bool
  returned: in check mode
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime


def argument_spec():
    return {
        "database": {"type": "path", "required": True},
        "mappings": {"type": "dict"},
        "path_map": {"type": "path"},
        "inverse": {"type": "bool", "default": False},
        "backup": {"type": "bool", "default": True},
    }


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
        required_one_of=[("mappings", "path_map")],
        mutually_exclusive=[("mappings", "path_map")],
    )
    params = module.params
    remap = runtime(module, "medialift.plex.remap")
    with reporting_errors(module, changed=False):
        paths = remap.PathMap.load(Path(params["path_map"])) if params["path_map"] else None
        paths = paths or remap.PathMap.of(params["mappings"])
        database = Path(params["database"])
        if module.check_mode and not database.exists():
            module.exit_json(changed=bool(paths.lines), predicted=True)
        plan = remap.plan(database, paths.inverse() if params["inverse"] else paths)
        told = plan.to_dict()
        if plan.changes and not module.check_mode:
            told.update(remap.apply(plan, backup=params["backup"]).to_dict())
    if module.check_mode:
        told["predicted"] = False
    module.exit_json(changed=plan.changes > 0, diff=plan.diff(), **told)


if __name__ == "__main__":
    main()

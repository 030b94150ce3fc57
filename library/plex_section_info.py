#!/usr/bin/python
"""The module plex_section_info: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plex_section_info
short_description: Tell what is in the sections of a Plex library
description:
  - Counts the sections in Plex's database, which may be in use, or of a server that is not running at all.
author: medialift
attributes:
  check_mode:
    support: full
    description: It only reads. A database that is not there yet is predicted, not failed.
  diff_mode:
    support: none
    description: It changes nothing.
  idempotent:
    support: full
    description: It changes nothing.
options:
  database:
    description: Plex's C(com.plexapp.plugins.library.db) on the host.
    type: path
    required: true
  sections:
    description: Names of the sections to tell about. Without any, all of them.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Count what home has
  plex_section_info:
    database: "{{ plex_data }}/Plug-in Support/Databases/com.plexapp.plugins.library.db"
  register: before
"""

RETURN = r"""
sections:
  description:
    - The sections in order of their ids. C(parts) are files that are not in the trash, C(bytes) their sizes
      together, C(analysed) those that Plex has analysed.
  type: list
  elements: dict
  returned: always
  sample: [{"id": 1, "name": "Movies", "type": "movie", "locations": ["/library/media/Movies"], "items": 315,
    "leaves": 315, "deleted": 0, "sonic": 0, "sonic_total": 0, "types": {"movie": 315}, "deleted_types": {},
    "parts": 320, "bytes": 1890000000000, "analysed": 318}]
schema:
  description: Which kind of Plex made the database.
  type: dict
  returned: always
  sample: {"max_version": 20250101120000, "triggers": "new"}
watch_state:
  description: A digest of what people watched, rated and chose. The same digest means nothing new.
  type: dict
  returned: always
  sample: {"digest": "5f70bf18a086007016e948b04aed3b82103a36bea41755b6", "settings": 7, "views": 9}
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime


def argument_spec():
    return {
        "database": {"type": "path", "required": True},
        "sections": {"type": "list", "elements": "str", "default": []},
    }


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    facts = runtime(module, "medialift.plex.database", changes=False)
    counting = runtime(module, "medialift.plex.statistics", changes=False)
    selection = runtime(module, "medialift.plex.selection", changes=False)
    database = Path(module.params["database"])
    if module.check_mode and not database.exists():
        module.exit_json(changed=False, predicted=True, sections=[], schema={}, watch_state={})
    with reporting_errors(module):
        schema = facts.schema(database)
        sections = counting.statistics(database)
        names = module.params["sections"]
        selection.require_known(names, [section.facts.name for section in sections])
        watched = facts.watch_state(database)
    module.exit_json(
        changed=False,
        sections=[section.to_dict() for section in sections if not names or section.facts.name in names],
        schema=schema.to_dict(),
        watch_state=watched.to_dict(),
    )


if __name__ == "__main__":
    main()

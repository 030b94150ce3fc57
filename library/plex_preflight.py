#!/usr/bin/python
from __future__ import annotations

DOCUMENTATION = r"""
---
module: plex_preflight
short_description: Check all of a burst that can be checked before money is spent
description:
  - Proves that the object store answers to the keys given, that the buckets are there and the archives' one
    can be written, that the reference archive is whole, and that the path map and the chosen sections fit it.
  - It changes nothing, and says what the burst will do.
  - Runs on the controller.
attributes:
  check_mode:
    support: full
    description: It only reads, so check mode makes no difference.
  diff_mode:
    support: none
    description: It changes nothing.
  idempotent:
    support: full
    description: It changes nothing.
options:
  endpoint:
    description: Address of the object store.
    type: str
    required: true
  region:
    description: Region of the store.
    type: str
    default: fr-par
  access_key:
    description: Access key of the store.
    type: str
    required: true
  secret_key:
    description: Secret key of the store.
    type: str
    required: true
  archive_bucket:
    description: Bucket of the archives.
    type: str
    required: true
  archive_prefix:
    description: What the archives' keys start with.
    type: str
    default: plex
  media_bucket:
    description: Bucket of the media.
    type: str
    required: true
  root:
    description: Where Plex in the cloud sees the media bucket.
    type: str
    default: /cloud/media
  library:
    description: Name of the library.
    type: str
    default: home
  mode:
    description: Whether home's library is scanned on (V(delta)) or a new one is made (V(scratch)).
    type: str
    choices: [delta, scratch]
    default: delta
  reference:
    description:
      - Name of the reference archive, such as C(reference/home-20261121T031500Z.tar.zst).
      - The newest without it.
    type: str
    default: ""
  path_map:
    description: Where home's folders are in the cloud.
    type: dict
    default: {}
  path_map_file:
    description: JSON or YAML file on the controller with the same, instead of O(path_map).
    type: path
  sections:
    description: Names of the sections to work on. All without any.
    type: list
    elements: str
    default: []
  photo:
    description: Photo sections too.
    type: bool
    default: false
  scratch_sections:
    description: The sections that a scratch burst makes, each with C(name), C(type) and C(locations).
    type: list
    elements: dict
    default: []
  plex_version:
    description: Exact version of Plex. A delta burst takes that of the reference.
    type: str
    default: ""
  disk:
    description: Size of the instance's disk, such as V(50 GB). Empty when it is not known.
    type: str
    default: ""
  times:
    description: Limits of the run, in seconds or as text such as C(4h).
    type: dict
    default: {}
  settings:
    description: Settings of Plex during the run. One that would let the trash be emptied is refused.
    type: dict
    default: {}
author: [medialift]
"""

EXAMPLES = r"""
- name: Preflight
  plex_preflight:
    endpoint: https://s3.fr-par.scw.cloud
    access_key: "{{ medialift_store_access_key }}"
    secret_key: "{{ medialift_store_secret_key }}"
    archive_bucket: my-archives
    media_bucket: my-media
    path_map: {/library/media: /cloud/media}
"""

RETURN = r"""
plan:
  description: What the burst will do.
  type: dict
  returned: success
  contains:
    plex_version: {description: Version of Plex that runs in the cloud., type: str}
    reference: {description: The reference archive; none for a scratch burst., type: dict}
    run: {description: Name of this burst; the same reference gives the same name., type: str}
    path_map: {description: The path map as it was read., type: dict}
    sections: {description: Sections that are worked on., type: list}
    skipped: {description: Sections that are not, and why., type: dict}
    warnings: {description: What a person should know., type: list}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime


def argument_spec():
    return {
        "endpoint": {"type": "str", "required": True},
        "region": {"type": "str", "default": "fr-par"},
        "access_key": {"type": "str", "required": True, "no_log": True},
        "secret_key": {"type": "str", "required": True, "no_log": True},
        "archive_bucket": {"type": "str", "required": True},
        "archive_prefix": {"type": "str", "default": "plex"},
        "media_bucket": {"type": "str", "required": True},
        "root": {"type": "str", "default": "/cloud/media"},
        "library": {"type": "str", "default": "home"},
        "mode": {"type": "str", "choices": ["delta", "scratch"], "default": "delta"},
        "reference": {"type": "str", "default": ""},
        "path_map": {"type": "dict", "default": {}},
        "path_map_file": {"type": "path"},
        "sections": {"type": "list", "elements": "str", "default": []},
        "photo": {"type": "bool", "default": False},
        "scratch_sections": {"type": "list", "elements": "dict", "default": []},
        "plex_version": {"type": "str", "default": ""},
        "disk": {"type": "str", "default": ""},
        "times": {"type": "dict", "default": {}},
        "settings": {"type": "dict", "default": {}},
    }


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
        mutually_exclusive=[("path_map", "path_map_file")],
    )
    preflight = runtime(module, "medialift.plex.preflight", changes=False)
    with reporting_errors(module):
        plan = preflight.plan(preflight.request(module.params)).to_dict()
    for warning in plan["warnings"]:
        module.warn(warning)
    module.exit_json(changed=False, plan=plan)


if __name__ == "__main__":
    main()

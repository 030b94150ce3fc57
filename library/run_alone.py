#!/usr/bin/python
"""The module run_alone: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_alone
short_description: Refuse a second run of a playbook while the first goes on
description:
  - Holds a name for the playbook that runs this task, on the controller, until that ends, however it ends.
    Another playbook of the same user that wants the name meanwhile is refused.
  - Two bursts of one library at once would work on one instance, and whichever failed would take it away.
author: medialift
attributes:
  check_mode:
    support: full
    description: It holds nothing, and refuses nothing.
  diff_mode:
    support: none
    description: It changes nothing that anybody sees.
  idempotent:
    support: full
    description: Whoever holds the name is given it again.
options:
  name:
    description: What is held, such as C(burst-home).
    type: str
    required: true
  what:
    description: What a refusal says that the other run is doing.
    type: str
    default: Another run of this goes on
notes:
  - Runs of other controllers are not seen, nor is any on a system without C(/proc).
"""

EXAMPLES = r"""
- name: Refuse a second burst
  run_alone:
    name: burst-home
    what: A burst of this library goes on already
"""

RETURN = r"""
held:
  description: Whether the name is held now by this run.
  type: bool
  returned: always
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime


def argument_spec():
    return {
        "name": {"type": "str", "required": True},
        "what": {"type": "str", "default": "Another run of this goes on"},
    }


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    holding = runtime(module, "medialift.foundation.holding")
    playbook = holding.outermost("ansible-playbook", os.getpid())
    if module.check_mode or playbook is None:
        module.exit_json(changed=False, held=False)
    with reporting_errors(module):
        holding.hold(module.params["name"], playbook, what=module.params["what"])
    module.exit_json(changed=False, held=True)


if __name__ == "__main__":
    main()

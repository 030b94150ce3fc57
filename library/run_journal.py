#!/usr/bin/python
"""The module run_journal: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_journal
short_description: Keep the journal of a playbook's run, phase by phase
description:
  - Writes one line to a journal when a phase begins or ends. Starting a phase ends the one before it as
    V(ok), so a playbook needs one task per phase.
  - Reports and durations are made from this file.
author: medialift
attributes:
  check_mode:
    support: full
    description: It predicts a line and writes none.
  diff_mode:
    support: none
    description: A journal only grows.
  idempotent:
    support: full
    description: A phase that goes on is not started again, and one that has ended is not ended again.
options:
  path:
    description: The journal. Its folder is made when it is not there.
    type: path
    required: true
  phase:
    description: Name of the phase. Without it O(state) ends whatever goes on.
    type: str
  state:
    description:
      - V(started) begins it, and ends whatever phase is going on.
      - V(ok), V(failed) and V(skipped) end it. A phase that was not started is there for an instant.
    type: str
    choices: [started, ok, failed, skipped]
    default: started
  new_after:
    description:
      - When this phase is in the journal and ended well, the journal is of a run that is over. It is set
        aside as C(<name>-<when it began>.jsonl), and a new one begins.
    type: str
  text:
    description: What there is to say about it.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Journal | provision
  run_journal:
    path: "{{ medialift_artifacts }}/journal.jsonl"
    phase: provision
    state: started
"""

RETURN = r"""
path:
  description: The journal.
  type: str
  returned: always
phases:
  description: All phases so far, with their outcome.
  type: list
  elements: dict
  returned: not in check mode
  sample: [{"name": "provision", "started": 1700000000.0, "seconds": 42.1, "outcome": "ok", "data": {}}]
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime


def argument_spec():
    return {
        "path": {"type": "path", "required": True},
        "phase": {"type": "str"},
        "state": {"type": "str", "choices": ["started", "ok", "failed", "skipped"], "default": "started"},
        "new_after": {"type": "str"},
        "text": {"type": "str", "default": ""},
    }


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
        required_if=[("state", "started", ["phase"])],
    )
    journals = runtime(module, "medialift.foundation.journal")
    path = Path(module.params["path"])
    last = module.params["new_after"]
    with reporting_errors(module):
        if last and journals.is_over(path, last):
            if module.check_mode:
                module.exit_json(changed=True, path=str(path))
            journals.set_aside(path)
        lines = journals.steps(
            path, module.params["phase"], module.params["state"], text=module.params["text"]
        )
        if module.check_mode:
            module.exit_json(changed=bool(lines), path=str(path))
        journals.write(path, lines)
        phases = [phase.to_dict() for phase in journals.phases(path)]
    module.exit_json(changed=bool(lines), path=str(path), phases=phases)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""The module healing_history: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: healing_history
short_description: Read what the healing found, decided and did
description:
  - The history is in the ledger, of all hosts that share it. It holds every finding with its evidence,
    every decision and who made it, each remedy, whether it helped, pauses and releases, and each step of
    scaling.
author: medialift
attributes:
  check_mode:
    support: full
    description: It only reads.
  diff_mode:
    support: none
    description: It only reads.
  idempotent:
    support: full
    description: It only reads.
options:
  limit:
    description: How many of the newest entries.
    type: int
    default: 50
  worker:
    description: Only what is about this worker, such as C(host@1).
    type: str
    default: ""
  pipeline:
    description: Only what is about this pipeline, such as V(books).
    type: str
    default: ""
  what:
    description: Only entries of this kind.
    type: str
    choices: [finding, decision, remedy, verification, escalation, release, scaling, code_fix]
  host:
    description: Only what the healing of this host did. Without it, that of all hosts.
    type: str
    default: ""
  before:
    description: Only what is older than the entry with this id, to read on.
    type: int
  evidence:
    description:
      - Whether each entry comes with what explains it, such as the last lines of a log, stacks of the
        process and the whole decision. Secrets in it are masked.
    type: bool
    default: false
  config:
    description: The settings file of the host.
    type: path
    default: /etc/medialift/healing.toml
"""

EXAMPLES = r"""
- name: Read what was done last
  healing_history:
    limit: 20
  register: history

- name: Say it
  ansible.builtin.debug:
    msg: "{{ history.entries | map(attribute='sentence') | list }}"

- name: Read why a worker was paused, with the evidence
  healing_history:
    worker: home@1
    what: escalation
    evidence: true
    limit: 1
"""

RETURN = r"""
entries:
  description:
    - The entries, the newest first (id, at, host, pipeline, worker, what, outcome, subject, and one
      sentence for people; with O(evidence) the detail too).
  type: list
  elements: dict
  returned: when the ledger is there
  sample: [{"id": 7, "what": "verification", "worker": "home@1", "outcome": "recovered"}]
predicted:
  description: Whether runtime, settings or ledger are not there yet, so that nothing can be told.
  type: bool
  returned: in check mode
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime

KINDS = ["finding", "decision", "remedy", "verification", "escalation", "release", "scaling", "code_fix"]


def argument_spec():
    return {
        "limit": {"type": "int", "default": 50},
        "worker": {"type": "str", "default": ""},
        "pipeline": {"type": "str", "default": ""},
        "what": {"type": "str", "choices": KINDS},
        "host": {"type": "str", "default": ""},
        "before": {"type": "int"},
        "evidence": {"type": "bool", "default": False},
        "config": {"type": "path", "default": "/etc/medialift/healing.toml"},
    }


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    params = module.params
    config = Path(params["config"])
    operations = runtime(module, "medialift.healing.operations", changes=False)
    with reporting_errors(module, changed=False):
        why_not = operations.unready(config) if module.check_mode else ""
        if why_not:
            module.exit_json(changed=False, predicted=True, msg=f"This is a prediction: {why_not}.")
        with operations.opened(config) as here:
            told = operations.told(
                here,
                limit=params["limit"],
                worker=params["worker"],
                pipeline=params["pipeline"],
                what=params["what"] or "",
                host=params["host"],
                before=params["before"],
                evidence=params["evidence"],
            )
    module.exit_json(predicted=False, **told)


if __name__ == "__main__":
    main()

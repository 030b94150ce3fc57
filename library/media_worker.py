#!/usr/bin/python
"""The module media_worker: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: media_worker
short_description: Start, drain, pause and scale the workers of a host, and see how they stand
description:
  - Handles the workers of every pipeline on a host by systemd and by the ledger at once, so that what a
    person asks for and what the healing does are never at odds. A worker that is drained gives back what it
    holds, and one that is paused stays so, after a restart of the machine too, until it is released.
  - Ledger and pipelines are those of the settings file of the host (O(config)), which the role C(healing)
    writes. It works while the healing is switched off, too.
author: medialift
attributes:
  check_mode:
    support: full
    description: It looks at the workers and predicts which would change.
  diff_mode:
    support: full
    description: Shows what each worker is to do before and after, or how many there are.
  idempotent:
    support: full
    description: A worker that is as it is asked for is left alone.
options:
  state:
    description:
      - V(info) tells how the workers stand.
      - V(started) has them run, now and after a restart of the machine. One that is paused is released,
        with all its attempts.
      - V(drained) has them finish what is in flight, give back the rest and end. They run again with the
        machine.
      - V(paused) drains them, and they are not to run until they are released, which V(started) does.
      - V(scaled) has O(count) workers of O(pipeline). The highest numbers are drained first, and one that
        is paused keeps its place.
    type: str
    choices: [info, started, drained, paused, scaled]
    default: info
  name:
    description: Workers by their names in the ledger, such as C(host@1). Without a name or a number, all of
      this host.
    type: list
    elements: str
    default: []
  number:
    description: Workers of this host by their numbers. They count as O(name) does.
    type: list
    elements: int
    default: []
  pipeline:
    description: Workers of this pipeline only, such as V(books). Needed with V(scaled).
    type: str
    default: ""
  count:
    description: With V(scaled), how many workers there are to be, 0 to 64.
    type: int
  why:
    description: With V(paused) and V(scaled), what is to be remembered about it.
    type: str
    default: ""
  config:
    description: The settings file of the host.
    type: path
    default: /etc/medialift/healing.toml
"""

EXAMPLES = r"""
- name: See whether any worker is stuck or paused
  media_worker:
  register: workers
  failed_when: workers.stuck or workers.paused

- name: Let the first worker go on, whatever it was paused for
  media_worker:
    state: started
    number: [1]

- name: Have nothing of it run while the disk is changed
  media_worker:
    state: paused
    pipeline: books
    why: the disk is being changed

- name: Have eight workers
  media_worker:
    state: scaled
    pipeline: books
    count: 8
"""

RETURN = r"""
workers:
  description:
    - How each worker stands (name, number, pipeline, state, why, enabled, running, paused, trouble, phase,
      what it did, attempts, remedy, and one sentence for people). A state is well, stuck, verifying,
      paused, stopped or off.
  type: list
  elements: dict
  returned: when the ledger is there
  sample: [{"name": "home@1", "state": "well", "running": true, "paused": false, "items": 120, "attempts": 0}]
stuck:
  description: Names of those that are stuck.
  type: list
  elements: str
  returned: with V(info), when the ledger is there
paused:
  description: Names of those that are paused.
  type: list
  elements: str
  returned: with V(info), when the ledger is there
sizes:
  description: How many workers each pipeline has and is to have, and why.
  type: list
  elements: dict
  returned: with V(info) and V(scaled), when the ledger is there
enabled:
  description: Whether the healing is switched on.
  type: bool
  returned: with V(info), when the ledger is there
round:
  description: When the healing made its last round here (age in seconds, workers, stuck, why); none when
    never.
  type: dict
  returned: with V(info), when the ledger is there
predicted:
  description: Whether runtime, settings or ledger are not there yet, so that nothing can be told.
  type: bool
  returned: in check mode
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime

FUNCTIONS = {"started": "start", "drained": "drain", "paused": "pause"}


def argument_spec():
    return {
        "state": {
            "type": "str",
            "choices": ["info", "started", "drained", "paused", "scaled"],
            "default": "info",
        },
        "name": {"type": "list", "elements": "str", "default": []},
        "number": {"type": "list", "elements": "int", "default": []},
        "pipeline": {"type": "str", "default": ""},
        "count": {"type": "int"},
        "why": {"type": "str", "default": ""},
        "config": {"type": "path", "default": "/etc/medialift/healing.toml"},
    }


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
        required_if=[("state", "scaled", ("pipeline", "count"))],
    )
    params, check = module.params, module.check_mode
    state, config = params["state"], Path(params["config"])
    operations = runtime(module, "medialift.healing.operations", changes=state != "info")
    with reporting_errors(module, changed=False):
        why_not = operations.unready(config) if check else ""
        if why_not:
            module.exit_json(changed=state != "info", predicted=True, msg=f"This is a prediction: {why_not}.")
        with operations.opened(config) as here:
            told = asked(operations, here, params, check)
    told.setdefault("predicted", False)
    module.exit_json(**told)


def asked(operations, here, params, check):
    """The one call that the state is about."""
    state, pipeline = params["state"], params["pipeline"]
    names = [*params["name"], *(f"{here.host}@{number}" for number in params["number"])]
    if state == "info":
        return operations.info(here, names, pipeline=pipeline)
    if state == "scaled":
        return operations.scale(here, pipeline, params["count"], why=params["why"], check=check)
    why = {"why": params["why"]} if state == "paused" else {}
    return getattr(operations, FUNCTIONS[state])(here, names, pipeline=pipeline, check=check, **why)


if __name__ == "__main__":
    main()

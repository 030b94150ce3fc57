#!/usr/bin/python
"""The module burst_post: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: burst_post
short_description: Tell the dashboard of a burst by the journal of its run
description:
  - Posts a journal, and with O(inputs) the report, to a dashboard, which keeps it when the instance and the
    controller are gone. What is known there already is not posted twice.
  - A dashboard that is away, busy or does not let us fails nothing. What it does not take is kept in
    O(outbox) and told with the next post; the module warns of it.
author: medialift
attributes:
  check_mode:
    support: full
    description: It tells nothing.
  diff_mode:
    support: none
    description: A journal only grows.
  idempotent:
    support: full
    description: A journal that did not grow changes nothing there.
options:
  journal:
    description: The journal of the run.
    type: path
    required: true
  url:
    description: Address of the dashboard, as in V(https://media.example.org).
    type: str
    required: true
  token:
    description: A token of the scope act. None is needed on the dashboard's own host while nobody can log in.
    type: str
    default: ""
  inputs:
    description: What the run left for its report, once it is over.
    type: list
    elements: path
    default: []
  library:
    description: Name of the library.
    type: str
    required: true
  mode:
    description: How the burst works.
    type: str
    choices: ["", delta, scratch]
    default: ""
  budget_eur:
    description: What it may cost; 0 when there is no limit.
    type: float
    default: 0.0
  home:
    description: The journal is home's, whose last import is told.
    type: bool
    default: false
  archive:
    description: With O(home), the sha256 of the archive, by which the burst that made it is found.
    type: str
    default: ""
  outbox:
    description: Folder of what is still to be told. By default C(outbox) beside the journal.
    type: path
  timeout:
    description: Seconds without a byte after which the dashboard counts as away.
    type: float
    default: 10.0
"""

EXAMPLES = r"""
- name: Tell the dashboard how the burst ended
  burst_post:
    journal: artifacts/burst/journal.jsonl
    inputs: [artifacts/burst/burst.json]
    library: home
    url: https://media.example.org
    token: "{{ vault_dashboard_token }}"
"""

RETURN = r"""
told:
  description: What the dashboard took (burst, journal, added, the number of lines that were new there).
  type: list
  elements: dict
  returned: not in check mode
  sample: [{"burst": "home-20261129T154955Z", "journal": "controller", "added": 12}]
waiting:
  description: How many bursts are still to be told.
  type: int
  returned: not in check mode
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime


def argument_spec():
    return {
        "journal": {"type": "path", "required": True},
        "url": {"type": "str", "required": True},
        "token": {"type": "str", "default": "", "no_log": True},
        "inputs": {"type": "list", "elements": "path", "default": []},
        "library": {"type": "str", "required": True},
        "mode": {"type": "str", "choices": ["", "delta", "scratch"], "default": ""},
        "budget_eur": {"type": "float", "default": 0.0},
        "home": {"type": "bool", "default": False},
        "archive": {"type": "str", "default": ""},
        "outbox": {"type": "path"},
        "timeout": {"type": "float", "default": 10.0},
    }


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    posting = runtime(module, "medialift.plex.posting", changes=False)
    params = module.params
    journal = Path(params["journal"])
    if module.check_mode:
        module.exit_json(changed=False)
    with reporting_errors(module):
        dashboard = posting.Dashboard.at(params["url"], params["token"], timeout=params["timeout"])
        box = posting.Outbox(Path(params["outbox"] or journal.parent / "outbox"))
        post = said(posting, journal, params)
        if post is not None:
            box.put(post)
        delivered = box.deliver(dashboard)
    for one in delivered:
        if not one.ok:
            module.warn(f"The dashboard was not told of {one.burst}: {one.error}")
    told = [{"burst": one.burst, "journal": one.journal, "added": one.added} for one in delivered if one.ok]
    module.exit_json(changed=any(one["added"] for one in told), told=told, waiting=len(box.waiting()))


def said(posting, journal, params):
    """What the journal says of its burst, or of its last import."""
    if params["home"]:
        return posting.of_import(journal, library=params["library"], archive=params["archive"])
    known = {"mode": params["mode"], "budget_eur": params["budget_eur"] or None}
    inputs = [Path(one) for one in params["inputs"]]
    return posting.of_burst(journal, library=params["library"], inputs=inputs, known=known)


if __name__ == "__main__":
    main()

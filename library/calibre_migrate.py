#!/usr/bin/python
"""The module calibre_migrate: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: calibre_migrate
short_description: Bring a Calibre library into MyBookshelf2, each book once
description:
  - Plans what is to be uploaded, uploads it, tells how it stands, and compares library, ledger and server
    afterwards. All of it goes by the ledger, so it can be called on any host, at any time, and again.
  - Library, server, ledger and their secrets are read from the settings file of the host (O(config)). The
    options here stand before it.
  - Workers under systemd (role C(migration_workers)) do the same as V(run); a long migration is theirs.
author: medialift
attributes:
  check_mode:
    support: full
    description: V(plan) and V(run) tell what would be uploaded. Nothing is written, neither here nor there.
  diff_mode:
    support: full
    description: Shows the books by their state before and after.
  idempotent:
    support: full
    description: What was uploaded is not uploaded again, by no worker on no host.
options:
  action:
    description:
      - V(plan) reads the library and writes down what is to be done. What is written down already stays.
      - V(run) plans, and uploads until O(items) books or O(time) are through, or all of it is.
      - V(status) tells how it stands.
      - V(verify) accounts for every file of the library, in the ledger and on the server.
      - V(retry) takes up again what failed or was skipped, V(cancel) gives up what is not done.
      - V(pause) and V(resume) hold all workers and let them go on.
      - V(adopt) takes over what the first script's progress files tell, once the server has it.
    type: str
    choices: [plan, run, status, verify, retry, cancel, pause, resume, adopt]
    default: status
  config:
    description: The settings file of the host.
    type: path
    default: /etc/medialift/books.toml
  library:
    description: Calibre's library, the folder with metadata.db. Without one that of the settings.
    type: path
  collection:
    description: Name of the library in the ledger. Without one that of the settings.
    type: str
  authors:
    description: Only books of these authors.
    type: list
    elements: str
    default: []
  tags:
    description: Only books with one of these tags. C(Fiction) means C(Fiction.Crime) too.
    type: list
    elements: str
    default: []
  languages:
    description: Only books in these languages, by Calibre's codes such as V(rus).
    type: list
    elements: str
    default: []
  formats:
    description: Only files of these formats.
    type: list
    elements: str
    default: []
  ids:
    description: Only the books with these numbers. With V(retry) and V(cancel), those that are meant.
    type: list
    elements: int
    default: []
  exclude:
    description: What is left out, as authors, tags, languages, formats and ids.
    type: dict
    default: {}
  newest_first:
    description: Books that were added last go first.
    type: bool
    default: false
  items:
    description: With V(run), end after so many books.
    type: int
  time:
    description: With V(run), end after this time, such as V(2h). What is in flight then is finished.
    type: str
  workers:
    description: With V(run), how many workers this call has.
    type: int
    default: 1
  bandwidth:
    description: Bytes per second of all workers together, such as V(10 MB). Without it as the settings say.
    type: str
  hours:
    description: Hours of the day in which books are uploaded, such as V(22:00-06:30). Without them as the
      settings say.
    type: str
  kinds:
    description: With V(retry), only what failed or was skipped for these reasons, such as V(too large).
    type: list
    elements: str
    default: []
  every:
    description: With V(retry) and V(cancel), all that can be.
    type: bool
    default: false
  why:
    description: With V(pause) and V(cancel), what is to be remembered about it.
    type: str
    default: ""
  progress:
    description: With V(adopt), the folder of the first script's C(migration_progress_worker*.json).
    type: path
"""

EXAMPLES = r"""
- name: Write down what is to be done
  calibre_migrate:
    action: plan
    tags: [Fiction]
    exclude: {formats: [PDF]}
    newest_first: true

- name: Upload for an hour, with two workers
  calibre_migrate:
    action: run
    time: 1h
    workers: 2

- name: Wait until all of it is done
  calibre_migrate:
    action: status
  register: migration
  until: migration.finished
  retries: 1000
  delay: 10
"""

RETURN = r"""
plan:
  description:
    - What was, or would be, written down (books, files and bytes, and how many are new, changed, removed).
  type: dict
  returned: with plan and run
  sample: {"books": 120, "files": 180, "bytes": 48211000, "new": 3, "changed": 1, "unchanged": 116}
ended:
  description: Of each worker of this call, why it ended and what it did.
  type: list
  elements: dict
  returned: with run
status:
  description: How it stands (books by state, files by what became of them, speed, workers, what holds it up).
  type: dict
  returned: with all but verify, when the runtime is there
finished:
  description: Whether something was planned and every book has ended.
  type: bool
  returned: with all but verify, when the runtime is there
verify:
  description: The account of every file, and where the numbers do not add up.
  type: dict
  returned: with verify
rows:
  description: The same as a table (what became of them, files, why).
  type: list
  elements: list
  returned: with verify
adds_up:
  description: Whether the numbers do.
  type: bool
  returned: with verify
complete:
  description: Whether, besides, every file is uploaded, there, skipped or failed.
  type: bool
  returned: with verify
count:
  description: How many books it was about.
  type: int
  returned: with run, retry, cancel and adopt
predicted:
  description: Whether the runtime is not on the host yet, so that nothing can be told.
  type: bool
  returned: in check mode
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime

READING = ("status", "verify")
STATES = ("ready", "leased", "done", "skipped", "failed", "paused", "cancelled")
SELECTING = ("authors", "tags", "languages", "formats", "ids", "exclude", "newest_first")


def argument_spec():
    names = {"type": "list", "elements": "str", "default": []}
    return {
        "action": {
            "type": "str",
            "choices": ["plan", "run", "status", "verify", "retry", "cancel", "pause", "resume", "adopt"],
            "default": "status",
        },
        "config": {"type": "path", "default": "/etc/medialift/books.toml"},
        "library": {"type": "path"},
        "collection": {"type": "str"},
        "authors": names,
        "tags": names,
        "languages": names,
        "formats": names,
        "ids": {"type": "list", "elements": "int", "default": []},
        "exclude": {"type": "dict", "default": {}},
        "newest_first": {"type": "bool", "default": False},
        "items": {"type": "int"},
        "time": {"type": "str"},
        "workers": {"type": "int", "default": 1},
        "bandwidth": {"type": "str"},
        "hours": {"type": "str"},
        "kinds": names,
        "every": {"type": "bool", "default": False},
        "why": {"type": "str", "default": ""},
        "progress": {"type": "path"},
    }


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
        required_if=[("action", "adopt", ("progress",))],
    )
    params = module.params
    action = params["action"]
    operations = runtime(module, "medialift.books.operations", changes=action not in READING)
    with reporting_errors(module, changed=False):
        options = operations.Options.of(asked(params, check=module.check_mode))
        shows = action != "verify"
        before = states(operations.status(options)) if shows and module._diff else {}
        told = getattr(operations, action)(options)
    told.setdefault("predicted", False)
    if shows and module._diff:
        told["diff"] = {"before": before, "after": after(told)}
    module.exit_json(**told)


def asked(params, check):
    """The options of the call, by the runtime's names; what was not given is left to the settings."""
    retried = params["action"] in ("retry", "cancel")
    given = {
        "config": params["config"],
        "origin": "the module's options",
        "check": check,
        "ids": params["ids"] if retried else None,
        "seconds": params["time"],
        "selection": {} if retried else {name: params[name] for name in SELECTING if params[name]},
    }
    same = (
        "items",
        "workers",
        "kinds",
        "every",
        "why",
        "progress",
        "library",
        "collection",
        "bandwidth",
        "hours",
    )
    return {**given, **{name: params[name] for name in same if params[name] not in (None, [])}}


def states(told):
    return {state: told["status"]["items"][state] for state in STATES}


def after(told):
    """The books by their state; in check mode with those that the plan would make ready."""
    found = states(told)
    plan = told.get("plan") or {}
    if plan.get("check"):
        found["ready"] += plan["new"] + plan["changed"] - plan["removed"]
    return found


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""The module dashboard_person: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dashboard_person
short_description: Say who may log in to the dashboard, and what they may do
description:
  - Has somebody in the ledger who may log in to the dashboard with a password, or has them there no more,
    with their sessions and tokens. What they did stays in the audit.
  - Ledger and database are those of the settings file of the host (O(config)), which the role C(dashboard)
    writes.
author: medialift
attributes:
  check_mode:
    support: full
    description: It looks whether anything would be different.
  diff_mode:
    support: full
    description: Shows scopes, and of passwords only whether one is set.
  idempotent:
    support: full
    description: Somebody who is as asked for is left alone.
options:
  name:
    description: Their name, of small letters, digits and C(. _ @ + -).
    type: str
    required: true
  state:
    description: V(absent) forgets them.
    type: str
    choices: [present, absent]
    default: present
  scope:
    description: What they may do. Who may act may read, and an admin may say who may.
    type: str
    choices: [read, act, admin]
    default: read
  password:
    description: Their password, 10 characters or more. Needed for somebody who is new.
    type: str
  update_password:
    description:
      - V(on_create) gives it to somebody who is new, and leaves it to them then. V(always) has it as it is
        said here, and logs out whoever logged in with another one.
    type: str
    choices: [on_create, always]
    default: on_create
  config:
    description: The settings file of the host.
    type: path
    default: /etc/medialift/dashboard.toml
"""

EXAMPLES = r"""
- name: Let Ada say who may do what
  dashboard_person:
    name: ada
    scope: admin
    password: "{{ vault_dashboard_password }}"

- name: Let Charles in no more
  dashboard_person:
    name: charles
    state: absent
"""

RETURN = r"""
person:
  description: The name, as it is kept.
  type: str
  returned: when the ledger is there
predicted:
  description: Whether runtime, settings or ledger are not there yet, so that nothing can be told.
  type: bool
  returned: in check mode
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime


def argument_spec():
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "scope": {"type": "str", "choices": ["read", "act", "admin"], "default": "read"},
        "password": {"type": "str", "no_log": True},
        "update_password": {
            "type": "str",
            "choices": ["on_create", "always"],
            "default": "on_create",
            "no_log": False,
        },
        "config": {"type": "path", "default": "/etc/medialift/dashboard.toml"},
    }


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
    )
    params, check = module.params, module.check_mode
    config = Path(params["config"])
    declared = runtime(module, "medialift.web.access.declared")
    with reporting_errors(module, changed=False):
        why_not = declared.unready(config) if check else ""
        if why_not:
            module.exit_json(changed=True, predicted=True, msg=f"This is a prediction: {why_not}.")
        with declared.opened(config) as connection:
            told = asked(declared, connection, params, check)
    module.exit_json(predicted=False, **told)


def asked(declared, connection, params, check):
    """The one call that the state is about."""
    name = params["name"]
    if params["state"] == "absent":
        return declared.no_person(connection, name, check=check)
    always = params["update_password"] == "always"  # noqa: S105  how, and no password
    password = params["password"] or ""
    return declared.person(connection, name, params["scope"], password, always=always, check=check)


if __name__ == "__main__":
    main()

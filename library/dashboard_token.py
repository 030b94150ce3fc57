#!/usr/bin/python
"""The module dashboard_token: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dashboard_token
short_description: Say which tokens programs may show to the dashboard
description:
  - Has a token taken that was made elsewhere, such as one of a vault, or has it taken no more. Of a token
    only a hash is kept. C(medialift dashboard token create) makes one that nobody had before.
  - Ledger and database are those of the settings file of the host (O(config)), which the role C(dashboard)
    writes.
author: medialift
attributes:
  check_mode:
    support: full
    description: It looks whether anything would be different.
  diff_mode:
    support: none
    description: There is nothing to show of a token.
  idempotent:
    support: full
    description: A token that is taken already is left alone.
options:
  name:
    description: What it is for, of small letters, digits and C(. _ @ + -).
    type: str
    required: true
  state:
    description: V(absent) has it taken no more, from the next request on.
    type: str
    choices: [present, absent]
    default: present
  scope:
    description: What it may do.
    type: str
    choices: [read, act, admin]
    default: read
  token:
    description:
      - The token, C(mlt_) and 32 random letters, digits, C(_) and C(-) or more. Needed with V(present).
        Another one of the same name is taken no more.
    type: str
  config:
    description: The settings file of the host.
    type: path
    default: /etc/medialift/dashboard.toml
"""

EXAMPLES = r"""
- name: Let Prometheus read
  dashboard_token:
    name: prometheus
    scope: read
    token: "{{ vault_prometheus_token }}"
"""

RETURN = r"""
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
        "token": {"type": "str", "no_log": True},
        "config": {"type": "path", "default": "/etc/medialift/dashboard.toml"},
    }


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
        required_if=[("state", "present", ("token",))],
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
        return declared.no_token(connection, name, check=check)
    return declared.token(connection, name, params["scope"], params["token"], check=check)


if __name__ == "__main__":
    main()

#!/usr/bin/python
"""The module plex_claim: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plex_claim
short_description: Claim a fresh Plex Media Server for an account
description:
  - A claim token is good for four minutes, and once. So it is obtained right before it is used, and an
    expired one is asked for again, without anything being made anew and without a prompt.
  - With V(token), on the controller, it only obtains one, to be handed to a later task on the server's host.
author: medialift
attributes:
  check_mode:
    support: full
    description: It tells whether the server would be claimed. No token is asked for.
  diff_mode:
    support: full
    description: Shows whether it is claimed before and after.
  idempotent:
    support: partial
    description: With V(claimed) a claimed server is left as it is, and no token is asked for.
options:
  state:
    description:
      - V(claimed) claims the server and proves that it is claimed.
      - V(token) obtains a claim token and returns it. Set C(no_log) on such a task.
    type: str
    choices: [claimed, token]
    default: claimed
  url:
    description: Where the server answers. By IP address.
    type: str
    default: http://127.0.0.1:32400
  preferences:
    description: The server's Preferences.xml on the host, where a claim leaves its token.
    type: path
  claim_token:
    description: The claim token itself.
    type: str
  claim_file:
    description: A file that holds one. For O(timeout) seconds it is read again until it holds one that works.
    type: path
  account_token:
    description: The token of a Plex account, with which a fresh claim token is asked for.
    type: str
  account_url:
    description: Where that is asked for.
    type: str
    default: https://plex.tv
  timeout:
    description: Seconds to wait for a server that can be used and, after that, for a token that works.
    type: float
    default: 900
"""

EXAMPLES = r"""
- name: Claim the server in the cloud
  plex_claim:
    preferences: "{{ plex_data }}/Preferences.xml"
    account_token: "{{ plex_burst_account_token }}"

- name: Get a token on the controller, right before it is needed
  plex_claim:
    state: token
    claim_file: ~/plex-claim
  delegate_to: localhost
  no_log: true
  register: claim
"""

RETURN = r"""
claimed:
  description: Whether the server is claimed now.
  type: bool
  returned: when O(state=claimed)
token:
  description: The claim token. A secret.
  type: str
  returned: when O(state=token), not in check mode
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.medialift_runtime import reporting_errors, runtime


def argument_spec():
    return {
        "state": {"type": "str", "choices": ["claimed", "token"], "default": "claimed"},
        "url": {"type": "str", "default": "http://127.0.0.1:32400"},
        "preferences": {"type": "path"},
        "claim_token": {"type": "str", "no_log": True},
        "claim_file": {"type": "path"},
        "account_token": {"type": "str", "no_log": True},
        "account_url": {"type": "str", "default": "https://plex.tv"},
        "timeout": {"type": "float", "default": 900},
    }


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
        required_one_of=[("claim_token", "claim_file", "account_token")],
        mutually_exclusive=[("claim_token", "claim_file", "account_token")],
    )
    claims = runtime(module, "medialift.plex.claim")
    servers = runtime(module, "medialift.plex.server")
    errors = runtime(module, "medialift.errors")
    options = module.params
    with reporting_errors(module, changed=False):
        source = claims.ClaimSource(
            value=options["claim_token"] or "",
            file=Path(options["claim_file"]) if options["claim_file"] else None,
            account_token=options["account_token"] or "",
            account_url=options["account_url"],
        )
        if options["state"] == "token":
            if module.check_mode:
                module.exit_json(changed=False, predicted=True)
            # Ansible would mask the token in its own result, since it was an option too. The task has
            # no_log, as the documentation says.
            module.no_log_values.discard(options["claim_token"])
            module.exit_json(changed=False, token=claims.wait_for_token(source, at_most=options["timeout"]))
        server = servers.connect(
            options["url"], Path(options["preferences"]) if options["preferences"] else None
        )
        if module.check_mode:
            try:
                claimed = server.identity().claimed
            except errors.Transient as error:
                module.exit_json(changed=True, predicted=True, msg=str(error))
            module.exit_json(changed=not claimed, claimed=claimed, diff=_diff(claimed))
        server.wait_ready(at_most=options["timeout"])
        changed = claims.claim(server, source, at_most=options["timeout"])
    module.exit_json(changed=changed, claimed=True, diff=_diff(not changed))


def _diff(claimed):
    return {"before": {"claimed": claimed}, "after": {"claimed": True}}


if __name__ == "__main__":
    main()

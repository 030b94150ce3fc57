#!/usr/bin/python
"""The module scaleway_instance: options in, one call, one result."""

from __future__ import annotations

DOCUMENTATION = r"""
module: scaleway_instance
short_description: Make a Scaleway instance that exists for one job, and take all of it away again
description:
  - Makes an instance with a flexible IPv4, block volumes and a security group that lets only SSH in, and
    waits until it lets the controller in.
  - The instance is known by its tag C(medialift:NAME), in all zones. A run that is repeated, even after a
    crash in the middle, finds it and goes on. It never makes a second one.
  - Its SSH host key is made by the controller and injected, so it is checked strictly from the first
    connection on.
  - Runs on the controller, or wherever the medialift runtime is installed.
author: medialift
attributes:
  check_mode:
    support: full
    description: Predicts, by reading what exists and what is in stock.
  diff_mode:
    support: full
    description: Shows the instance before and after.
  idempotent:
    support: partial
    description: A second run reports no change, unless O(extend) is set, which counts the lifetime from now.
options:
  name:
    description: Name of the instance, its host name, and what its tag says.
    type: str
    required: true
  state:
    description:
      - V(present) makes it, or finishes what an earlier run began.
      - V(absent) removes the server, its volumes, its IP and its security group, in whatever zone they are,
        and what an interrupted run left of them.
    type: str
    choices: [present, absent]
    default: present
  access_key:
    description: Access key. Falls back to the environment variable C(SCW_ACCESS_KEY).
    type: str
  secret_key:
    description: Secret key. Falls back to the environment variable C(SCW_SECRET_KEY).
    type: str
  organization_id:
    description: Organization. Falls back to C(SCW_DEFAULT_ORGANIZATION_ID).
    type: str
  project_id:
    description: Project. Nothing outside it is ever touched. Falls back to C(SCW_DEFAULT_PROJECT_ID).
    type: str
  api_url:
    description: Address of the API. Falls back to C(SCW_API_URL).
    type: str
    default: https://api.scaleway.com
  api_timeout:
    description: Seconds that one request may take.
    type: int
    default: 30
  offers:
    description:
      - Where to look and what for, in this order. The next one is tried when one is out of stock or over a
        quota.
      - Needed when O(state=present).
    type: list
    elements: dict
    default: []
    suboptions:
      zone:
        description: Zone, such as V(fr-par-1).
        type: str
        required: true
      commercial_type:
        description: Type, such as V(PLAY2-MICRO).
        type: str
        required: true
  image:
    description: Label of an image of the marketplace, or an id of the zone.
    type: str
    default: debian_bookworm
  root_volume:
    description: The disk it boots from.
    type: dict
    default: {}
    suboptions:
      size:
        description: Size, such as V(20 GB).
        type: str
        default: 20 GB
      type:
        description: Block storage, or a local disk where the type has one.
        type: str
        choices: [sbs_volume, l_ssd]
        default: sbs_volume
  extra_volumes:
    description: More block volumes. They are removed with the instance.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name, unique for the instance.
        type: str
        required: true
      size:
        description: Size, such as V(100 GB).
        type: str
        required: true
      iops:
        description: Its class.
        type: int
        choices: [5000, 15000]
        default: 5000
  authorized_keys:
    description: Public keys that may log in as root. Needed when O(state=present).
    type: list
    elements: str
    default: []
  private_key_file:
    description: File with the private key to wait for SSH with. Without it the SSH agent is asked.
    type: path
  ssh_port:
    description: Where the image's sshd listens.
    type: int
    default: 22
  ssh_sources:
    description: Networks that may reach SSH.
    type: list
    elements: str
    default: [0.0.0.0/0]
  cloud_config:
    description: More of cloud-config, such as C(packages) or C(runcmd). The module sets users and host keys.
    type: dict
    default: {}
  lifetime:
    description:
      - How long it may exist, such as V(6h), counted from its creation. Written on it as a tag.
      - The reaper removes it after that, should the run that made it not have done so.
    type: str
    default: 24h
  unfinished_only:
    description:
      - With O(state=absent), spare an instance that was once ready, with all that belongs to it. Work may
        run on it, and it may hold the only copy of something.
      - What an interrupted creation left is removed.
    type: bool
    default: false
  extend:
    description: Count O(lifetime) from now, at every run.
    type: bool
    default: false
  tags:
    description: Your own tags.
    type: list
    elements: str
    default: []
  timeout:
    description: How long all waiting may take, such as V(10m).
    type: str
    default: 10m
  poll:
    description: How long to wait between two looks, such as V(2s).
    type: str
    default: 2s
  wait_for_boot:
    description: Wait until cloud-init has ended, not only until SSH lets us in.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Make an instance for six hours at most, wherever one is to be had
  scaleway_instance:
    name: burst
    offers:
      - {zone: fr-par-1, commercial_type: PRO2-S}
      - {zone: fr-par-2, commercial_type: PRO2-S}
      - {zone: nl-ams-1, commercial_type: PLAY2-MICRO}
    root_volume: {size: 80 GB}
    authorized_keys: ["{{ lookup('ansible.builtin.file', '~/.ssh/id_ed25519.pub') }}"]
    private_key_file: ~/.ssh/id_ed25519
    lifetime: 6h
  register: burst

- name: Take it away with its volumes and its address
  scaleway_instance:
    name: burst
    state: absent
"""

RETURN = r"""
instance:
  description: The instance. With O(state=absent), as it was.
  returned: when there is one
  type: dict
  sample:
    id: 6b2f1f6e-38a7-4d5c-8b4e-0f6f5c1a2d11
    name: burst
    zone: fr-par-1
    commercial_type: PRO2-S
    state: running
    address: 51.15.0.1
    tags: []
    created: "2026-11-21T08:00:00+00:00"
    expires: "2026-11-21T14:00:00+00:00"
    host_key: ssh-ed25519 AAAA...
    known_hosts: 51.15.0.1 ssh-ed25519 AAAA...
actions:
  description: What was done, or would be done in check mode.
  returned: always
  type: list
  elements: str
  sample: [create PRO2-S in fr-par-1]
refused:
  description: Offers that could not be had, with the reason. In check mode those known to be out of stock.
  returned: when O(state=present) and something is to be created
  type: list
  elements: str
cost:
  description: EUR per hour (C(hourly) and its parts) and C(so_far), and C(seconds) since the creation.
  returned: when O(state=present) and the instance exists
  type: dict
  sample: {hourly: 0.2324, server: 0.219, volumes: 0.0094, addresses: 0.004, currency: EUR, so_far: 0.31,
           seconds: 4800, unpriced: []}
destroyed:
  description: Whether nothing of the instance is left. False when O(unfinished_only) spared it.
  returned: when O(state=absent), outside check mode
  type: bool
removed:
  description: What was removed, each with C(kind), C(id), C(zone) and C(name).
  returned: when O(state=absent), outside check mode
  type: list
  elements: dict
seconds:
  description: How long the instance had existed.
  returned: when O(state=absent), outside check mode
  type: float
cost_eur:
  description: What that has cost. Null when no price could be had.
  returned: when O(state=absent), outside check mode
  type: float
predicted:
  description: True in check mode.
  returned: in check mode
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule, env_fallback
from ansible.module_utils.medialift_runtime import reporting_errors, runtime


def argument_spec():
    """The options, as DOCUMENTATION tells them."""
    return {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "access_key": {"type": "str", "no_log": True, "fallback": (env_fallback, ["SCW_ACCESS_KEY"])},
        "secret_key": {"type": "str", "no_log": True, "fallback": (env_fallback, ["SCW_SECRET_KEY"])},
        "organization_id": {"type": "str", "fallback": (env_fallback, ["SCW_DEFAULT_ORGANIZATION_ID"])},
        "project_id": {"type": "str", "fallback": (env_fallback, ["SCW_DEFAULT_PROJECT_ID"])},
        "api_url": {
            "type": "str",
            "default": "https://api.scaleway.com",
            "fallback": (env_fallback, ["SCW_API_URL"]),
        },
        "api_timeout": {"type": "int", "default": 30},
        "offers": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "zone": {"type": "str", "required": True},
                "commercial_type": {"type": "str", "required": True},
            },
        },
        "image": {"type": "str", "default": "debian_bookworm"},
        "root_volume": {
            "type": "dict",
            "default": {},
            "options": {
                "size": {"type": "str", "default": "20 GB"},
                "type": {"type": "str", "choices": ["sbs_volume", "l_ssd"], "default": "sbs_volume"},
            },
        },
        "extra_volumes": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "size": {"type": "str", "required": True},
                "iops": {"type": "int", "choices": [5000, 15000], "default": 5000},
            },
        },
        # Public keys: nothing secret.
        "authorized_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "private_key_file": {"type": "path"},
        "ssh_port": {"type": "int", "default": 22},
        "ssh_sources": {"type": "list", "elements": "str", "default": ["0.0.0.0/0"]},
        "cloud_config": {"type": "dict", "default": {}},
        "lifetime": {"type": "str", "default": "24h"},
        "unfinished_only": {"type": "bool", "default": False},
        "extend": {"type": "bool", "default": False},
        "tags": {"type": "list", "elements": "str", "default": []},
        "timeout": {"type": "str", "default": "10m"},
        "poll": {"type": "str", "default": "2s"},
        "wait_for_boot": {"type": "bool", "default": True},
    }


def present(module, instances):
    cloud = instances.Scaleway(instances.account_from(module.params))
    wanted = instances.wanted_from(module.params)
    plan = instances.plan_present(cloud, wanted)
    result = {"changed": plan.changes > 0, "actions": list(plan.actions), "diff": plan.diff()}
    if plan.refused or not plan.before:
        result["refused"] = list(plan.refused)
    if module.check_mode:
        result.update(predicted=True)
        if plan.before:
            result["instance"] = dict(plan.before)
        return result
    instance, done = instances.present(cloud, wanted)
    rates = instances.rates(cloud, instance.id, instance.zone)
    seconds = instances.seconds_since(cloud, instance.created)
    cost = dict(rates.to_dict(), so_far=rates.so_far(seconds), seconds=round(seconds, 1))
    result.update(changed=bool(done), actions=list(done), instance=instance.to_dict(), cost=cost)
    if done:
        result["diff"]["after"] = dict(plan.after, **instance.to_dict())
    return result


def absent(module, instances):
    cloud = instances.Scaleway(instances.account_from(module.params))
    offers = [instances.Offer(offer["zone"], offer["commercial_type"]) for offer in module.params["offers"]]
    spare = module.params["unfinished_only"]
    plan = instances.plan_absent(cloud, module.params["name"], offers, unfinished_only=spare)
    result = {"changed": plan.changes > 0, "actions": list(plan.actions), "diff": plan.diff()}
    if module.check_mode:
        known = {"instance": dict(plan.before)} if "id" in plan.before else {}
        return dict(result, predicted=True, **known)
    removed = instances.absent(
        cloud,
        module.params["name"],
        offers,
        timeout=instances.seconds_of(module.params["timeout"]),
        poll=instances.seconds_of(module.params["poll"]),
        unfinished_only=spare,
    )
    result.update(
        changed=bool(removed.removed),
        destroyed=removed.destroyed,
        removed=[dict(one) for one in removed.removed],
        seconds=round(removed.seconds, 1),
        cost_eur=removed.cost,
    )
    if removed.instance is not None:
        result["instance"] = removed.instance.to_dict()
    return result


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    instances = runtime(module, "medialift.cloud.instances")
    act = present if module.params["state"] == "present" else absent
    with reporting_errors(module):
        result = act(module, instances)
    module.exit_json(**result)


if __name__ == "__main__":
    main()

"""The sandbox's account, as the scenario's variables have it, asked through the official SDK."""

import os
from pathlib import Path

import yaml
from scaleway import Client
from scaleway.block.v1 import BlockV1API
from scaleway.instance.v1 import InstanceV1API

SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
VARIABLES = yaml.safe_load((SCENARIO / "vars" / "main.yml").read_text())
TAG = "medialift:molecule"


def client() -> Client:
    return Client(
        access_key=VARIABLES["scaleway_instance_access_key"],
        secret_key=VARIABLES["scaleway_instance_secret_key"],
        default_organization_id=VARIABLES["scaleway_instance_organization_id"],
        default_project_id=VARIABLES["scaleway_instance_project_id"],
        default_zone="fr-par-2",
        api_url=VARIABLES["scaleway_instance_api_url"],
    )


def servers():
    return InstanceV1API(client()).list_servers_all(tags=[TAG])


def belongings() -> dict:
    """How many of each kind there are for this instance."""
    instance, block = InstanceV1API(client()), BlockV1API(client())
    return {
        "ips": len(instance.list_ips_all(tags=[TAG])),
        "volumes": len(block.list_volumes_all(include_deleted=False, tags=[TAG])),
        "groups": len(instance.list_security_groups_all(tags=[TAG])),
    }

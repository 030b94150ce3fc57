"""Flexible and dynamic IPs: addresses of the sandbox's network, from its number 100 on."""

from __future__ import annotations

from sandbox.settings import FIRST_FLEXIBLE_HOST, Settings

from . import catalogue
from .problems import invalid_request, quota, unknown_resource
from .state import Row, new_id

Tables = dict[str, dict[str, Row]]


class Addresses:
    """Hands out the lowest free address."""

    def __init__(self, settings: Settings) -> None:
        self._pool = [settings.address(host) for host in range(FIRST_FLEXIBLE_HOST, 250)]

    def new(self, tables: Tables, zone: str, tags: list[str], *, dynamic: bool) -> Row:
        taken = {ip["address"] for ip in tables["ips"].values()}
        free = next((address for address in self._pool if address not in taken), None)
        if free is None:
            raise quota("compute_ips", len(self._pool))
        row = {
            "id": new_id(),
            "address": free,
            "organization": catalogue.ORGANIZATION,
            "project": catalogue.PROJECT,
            "tags": tags,
            "type": "routed_ipv4",
            "state": "detached",
            "prefix": f"{free}/32",
            "ipam_id": new_id(),
            "zone": zone,
            "reverse": None,
            "server": None,
            "_dynamic": dynamic,
        }
        tables["ips"][row["id"]] = row
        return row


def public_ip(row: Row) -> Row:
    """An IP as the API shows it."""
    return {key: value for key, value in row.items() if not key.startswith("_")}


def attach(tables: Tables, ip_id: str, server: Row) -> None:
    row = tables["ips"].get(ip_id)
    if row is None or row["zone"] != server["zone"]:
        raise unknown_resource("IP", ip_id)
    if row["server"] and row["server"]["id"] != server["id"]:
        raise invalid_request(f"ip {ip_id} is attached to another server")
    row |= {"server": {"id": server["id"], "name": server["name"]}, "state": "attached"}
    server["public_ips"].append(
        {
            "id": row["id"],
            "address": row["address"],
            "gateway": "",
            "netmask": "32",
            "family": "inet",
            "dynamic": row["_dynamic"],
            "provisioning_mode": "dhcp",
            "tags": row["tags"],
            "ipam_id": row["ipam_id"],
            "state": "attached",
        }
    )


def detach(tables: Tables, ip_id: str) -> None:
    row = tables["ips"][ip_id]
    if row["server"]:
        server = tables["servers"][row["server"]["id"]]
        server["public_ips"] = [ip for ip in server["public_ips"] if ip["id"] != ip_id]
    row |= {"server": None, "state": "detached"}

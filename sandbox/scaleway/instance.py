"""The Instance API: servers, their volumes, IPs, security groups, user data, and what may be bought."""

from __future__ import annotations

import base64
from typing import Any

from . import catalogue
from .faults import Faults
from .ips import Addresses, attach, detach, public_ip
from .lifecycle import Lifecycle, drop_server
from .problems import (
    conflict,
    invalid_request,
    out_of_stock,
    permissions_denied,
    quota,
    transient_state,
    unknown_resource,
    unknown_service,
    validation,
)
from .state import Row, State, new_id, now
from .web import Reply, Request, Router, page

Z = "/instance/v1/zones/{zone}"


def known_zone(zone: str) -> str:
    if zone not in catalogue.ZONES:
        raise unknown_service()
    return zone


def chosen(rows: dict[str, Row], request: Request, zone: str, project_key: str = "project") -> list[Row]:
    """The rows of this zone that the query's project, organization, name, state and tags let through."""
    project, name, state = request.first(project_key), request.first("name"), request.first("state")
    tags = [tag for value in request.query.get("tags", []) for tag in value.split(",") if tag]
    return [
        {key: value for key, value in row.items() if not key.startswith("_")}
        for row in rows.values()
        if row["zone"] == zone
        and (not project or row[project_key] == project)
        and (not name or name in row["name"])
        and (not state or row["state"] == state)
        and set(tags) <= set(row["tags"])
    ]


class InstanceAPI:
    def __init__(self, state: State, lifecycle: Lifecycle, faults: Faults, addresses: Addresses) -> None:
        self._state = state
        self._lifecycle = lifecycle
        self._faults = faults
        self._addresses = addresses

    def route(self, router: Router) -> None:
        servers = f"{Z}/servers"
        for method, path, handler in (
            ("GET", f"{Z}/products/servers", self.products),
            ("GET", f"{Z}/products/servers/availability", self.availability),
            ("GET", f"{Z}/images", self.list_images),
            ("GET", f"{Z}/images/{{image}}", self.get_image),
            ("GET", servers, self.list_servers),
            ("POST", servers, self.create_server),
            ("GET", f"{servers}/{{server}}", self.get_server),
            ("PATCH", f"{servers}/{{server}}", self.update_server),
            ("DELETE", f"{servers}/{{server}}", self.delete_server),
            ("GET", f"{servers}/{{server}}/action", self.list_actions),
            ("POST", f"{servers}/{{server}}/action", self.act),
            ("POST", f"{servers}/{{server}}/detach-volume", self.detach_volume),
            ("GET", f"{servers}/{{server}}/user_data", self.list_user_data),
            ("GET", f"{servers}/{{server}}/user_data/{{key}}", self.get_user_data),
            ("PATCH", f"{servers}/{{server}}/user_data/{{key}}", self.set_user_data),
            ("DELETE", f"{servers}/{{server}}/user_data/{{key}}", self.delete_user_data),
            ("GET", f"{Z}/volumes", self.list_volumes),
            ("GET", f"{Z}/volumes/{{volume}}", self.get_volume),
            ("DELETE", f"{Z}/volumes/{{volume}}", self.delete_volume),
            ("GET", f"{Z}/ips", self.list_ips),
            ("POST", f"{Z}/ips", self.create_ip),
            ("GET", f"{Z}/ips/{{ip}}", self.get_ip),
            ("PATCH", f"{Z}/ips/{{ip}}", self.update_ip),
            ("DELETE", f"{Z}/ips/{{ip}}", self.delete_ip),
            ("GET", f"{Z}/security_groups", self.list_groups),
            ("POST", f"{Z}/security_groups", self.create_group),
            ("GET", f"{Z}/security_groups/{{group}}", self.get_group),
            ("DELETE", f"{Z}/security_groups/{{group}}", self.delete_group),
            ("GET", f"{Z}/security_groups/{{group}}/rules", self.list_rules),
            ("PUT", f"{Z}/security_groups/{{group}}/rules", self.set_rules),
        ):
            router.add(method, path, handler)

    # What may be bought

    def products(self, request: Request, zone: str) -> Reply:
        known_zone(zone)
        types = {
            name: {
                "hourly_price": sold.hourly_price,
                "monthly_price": round(sold.hourly_price * 730, 2),
                "alt_names": [],
                "ncpus": sold.ncpus,
                "ram": sold.ram,
                "arch": "x86_64",
                "scratch_storage_max_volumes_count": 0,
                "end_of_service": False,
            }
            for name, sold in catalogue.TYPES.items()
        }
        # This list is paged as well, and its pages are dictionaries: an empty one ends it.
        first = request.number("page", 1) == 1
        return Reply(200, {"servers": types if first else {}}, {"X-Total-Count": str(len(types))})

    def availability(self, request: Request, zone: str) -> Reply:
        known_zone(zone)
        first = request.number("page", 1) == 1
        stock = {
            name: {"availability": "shortage" if self._faults.shortage(zone, name) else "available"}
            for name in catalogue.TYPES
        }
        return Reply(200, {"servers": stock if first else {}}, {"X-Total-Count": str(len(stock))})

    def list_images(self, request: Request, zone: str) -> Reply:
        known_zone(zone)
        images = [self._image(label, zone) for label in sorted(catalogue.IMAGES)]
        wanted = request.first("name")
        images = [image for image in images if not wanted or wanted in image["name"]]
        return page(request, "images", images, size_name="per_page", header=True)

    def get_image(self, request: Request, zone: str, image: str) -> Reply:
        label = catalogue.image_label(image, known_zone(zone))
        if label is None:
            raise unknown_resource("Image", image)
        return Reply(200, {"image": {**self._image(label, zone), "id": image}})

    def _image(self, label: str, zone: str) -> Row:
        return {
            "id": catalogue.image_id(label, zone, "instance_sbs"),
            "name": catalogue.IMAGES[label],
            "arch": "x86_64",
            "public": True,
            "state": "available",
            "zone": zone,
            "extra_volumes": {},
            "tags": [],
        }

    # Servers

    def list_servers(self, request: Request, zone: str) -> Reply:
        known_zone(zone)
        with self._state.open() as tables:
            rows = chosen(tables["servers"], request, zone)
            return page(request, "servers", rows, size_name="per_page", header=True)

    def create_server(self, request: Request, zone: str) -> Reply:
        known_zone(zone)
        wanted = request.json()
        kind = wanted.get("commercial_type", "")
        if kind not in catalogue.TYPES:
            raise validation({"commercial_type": [f'"{kind}" is not a valid commercial type']})
        label = self._wanted_image(wanted.get("image", ""), zone)
        if wanted.get("project", catalogue.PROJECT) != catalogue.PROJECT:
            raise permissions_denied("instance_server", "create")
        self._check_stock(zone, kind, "create")
        with self._state.open() as tables:
            server = self._new_server(zone, wanted, label)
            tables["servers"][server["id"]] = server
            self._make_volumes(tables, server, wanted)
            self._use_group(tables, server, wanted.get("security_group"))
            for ip in wanted.get("public_ips", []):
                attach(tables, ip, server)
            return Reply(201, {"server": server})

    def get_server(self, request: Request, zone: str, server: str) -> Reply:
        with self._state.open() as tables:
            return Reply(200, {"server": self._server(tables, zone, server)})

    def update_server(self, request: Request, zone: str, server: str) -> Reply:
        wanted = request.json()
        with self._state.open() as tables:
            row = self._server(tables, zone, server)
            row |= {key: wanted[key] for key in ("name", "tags", "protected") if key in wanted}
            row["modification_date"] = now()
            return Reply(200, {"server": row})

    def delete_server(self, request: Request, zone: str, server: str) -> Reply:
        with self._state.open() as tables:
            row = self._server(tables, zone, server)
            if row["state"] != "stopped":
                raise invalid_request("instance should be powered off")
            drop_server(tables, server, with_local_volumes=False)
        self._lifecycle.forget(server)
        return Reply(204)

    def list_actions(self, request: Request, zone: str, server: str) -> Reply:
        with self._state.open() as tables:
            return Reply(200, {"actions": _allowed(self._server(tables, zone, server)["state"])})

    def act(self, request: Request, zone: str, server: str) -> Reply:
        action = request.json().get("action", "poweron")
        with self._state.open() as tables:
            row = self._server(tables, zone, server)
            if row["state"] in ("starting", "stopping"):
                raise transient_state("instance_server", server, row["state"])
            if action not in _allowed(row["state"]):
                raise invalid_request(
                    f"server should be {'stopped' if action == 'poweron' else 'running'} to {action}"
                )
            if action == "poweron":
                self._check_stock(zone, row["commercial_type"], "poweron")
                if not row["public_ips"] and row["dynamic_ip_required"]:
                    attach(tables, self._addresses.new(tables, zone, [], dynamic=True)["id"], row)
            step = {
                "poweron": self._lifecycle.power_on,
                "poweroff": self._lifecycle.power_off,
                "terminate": self._lifecycle.terminate,
                "reboot": self._lifecycle.reboot,
            }[action]
            step(row)
        task = {
            "id": new_id(),
            "description": f"server_{action}",
            "progress": 0,
            "status": "pending",
            "href_from": f"/servers/{server}/action",
            "href_result": f"/servers/{server}",
            "zone": zone,
            "started_at": now(),
        }
        return Reply(202, {"task": task})

    def detach_volume(self, request: Request, zone: str, server: str) -> Reply:
        wanted = request.json().get("volume_id")
        with self._state.open() as tables:
            row = self._server(tables, zone, server)
            for key, volume in list(row["volumes"].items()):
                if volume["id"] == wanted:
                    del row["volumes"][key]
                    if wanted in tables["block"]:
                        tables["block"][wanted] |= {"status": "available", "references": []}
                    return Reply(200, {"server": row})
        raise unknown_resource("Volume", str(wanted))

    def _server(self, tables: dict[str, dict[str, Row]], zone: str, server: str) -> Row:
        row = tables["servers"].get(server)
        if row is None or row["zone"] != known_zone(zone):
            raise unknown_resource("Server", server)
        row["allowed_actions"] = _allowed(row["state"])
        return row

    def _wanted_image(self, image: str, zone: str) -> str:
        label = image if image in catalogue.IMAGES else catalogue.image_label(image, zone)
        if label is None:
            raise unknown_resource("Image", image)
        return label

    def _check_stock(self, zone: str, kind: str, at: str) -> None:
        fault = self._faults.on_stock(zone, kind, at)
        if fault is not None:
            raise out_of_stock(kind) if fault.kind == "out_of_stock" else quota("compute_servers", 1)

    def _new_server(self, zone: str, wanted: dict[str, Any], label: str) -> Row:
        return {
            "id": new_id(),
            "name": wanted["name"],
            "hostname": wanted["name"],
            "organization": catalogue.ORGANIZATION,
            "project": catalogue.PROJECT,
            "zone": zone,
            "commercial_type": wanted["commercial_type"],
            "image": self._image(label, zone),
            "tags": list(wanted.get("tags", [])),
            "state": "stopped",
            "state_detail": "",
            "allowed_actions": _allowed("stopped"),
            "dynamic_ip_required": bool(wanted.get("dynamic_ip_required", True)),
            "protected": bool(wanted.get("protected", False)),
            "public_ips": [],
            "mac_address": "de:00:00:00:00:01",
            "boot_type": "local",
            "volumes": {},
            "maintenances": [],
            "arch": "x86_64",
            "private_nics": [],
            "filesystems": [],
            "end_of_service": False,
            "creation_date": now(),
            "modification_date": now(),
            "security_group": None,
        }

    def _make_volumes(self, tables: dict[str, dict[str, Row]], server: Row, wanted: dict[str, Any]) -> None:
        asked = wanted.get("volumes") or {
            "0": {"volume_type": "sbs_volume", "size": catalogue.SMALLEST_ROOT, "boot": True}
        }
        for key, template in asked.items():
            if template.get("id"):
                volume = self._take_volume(tables, server, template["id"])
            else:
                volume = self._make_volume(tables, server, key, template)
            server["volumes"][key] = {**volume, "boot": key == "0", "zone": server["zone"]}

    def _take_volume(self, tables: dict[str, dict[str, Row]], server: Row, volume_id: str) -> Row:
        block = tables["block"].get(volume_id)
        if block is None or block["zone"] != server["zone"]:
            raise unknown_resource("Volume", volume_id)
        if block["status"] != "available":
            raise invalid_request(f"volume {volume_id} is {block['status']}")
        block |= {"status": "in_use", "references": [_reference(server["id"])]}
        return {"id": volume_id, "volume_type": "sbs_volume", "state": "available"}

    def _make_volume(
        self, tables: dict[str, dict[str, Row]], server: Row, key: str, template: dict[str, Any]
    ) -> Row:
        kind, size = template.get("volume_type"), template.get("size") or catalogue.SMALLEST_ROOT
        name = template.get("name") or f"{server['name']}-{key}"
        field = f"volumes.{key}"
        if size < catalogue.SMALLEST_ROOT:
            raise validation({f"{field}.size": [f"{size} is too small for the image"]})
        if kind == "sbs_volume":
            row = block_volume(name, server["zone"], size, [], status="in_use")
            row["references"] = [_reference(server["id"])]
            tables["block"][row["id"]] = row
            return {"id": row["id"], "volume_type": "sbs_volume", "state": "available"}
        if kind == "l_ssd" and catalogue.TYPES[server["commercial_type"]].local_disk:
            row = {
                "id": new_id(),
                "name": name,
                "size": size,
                "volume_type": "l_ssd",
                "organization": catalogue.ORGANIZATION,
                "project": catalogue.PROJECT,
                "tags": [],
                "state": "available",
                "zone": server["zone"],
                "creation_date": now(),
                "server": {"id": server["id"], "name": server["name"]},
            }
            tables["volumes"][row["id"]] = row
            return {key: row[key] for key in ("id", "name", "size", "volume_type", "state")}
        raise validation(
            {f"{field}.volume_type": [f"{kind} is not supported by {server['commercial_type']}"]}
        )

    def _use_group(self, tables: dict[str, dict[str, Row]], server: Row, group: str | None) -> None:
        if group is None:
            return
        if group not in tables["security_groups"]:
            raise unknown_resource("Security group", group)
        row = tables["security_groups"][group]
        server["security_group"] = {"id": group, "name": row["name"]}

    # User data

    def list_user_data(self, request: Request, zone: str, server: str) -> Reply:
        with self._state.open() as tables:
            self._server(tables, zone, server)
            return Reply(200, {"user_data": sorted(tables["user_data"].get(server, {}))})

    def get_user_data(self, request: Request, zone: str, server: str, key: str) -> Reply:
        with self._state.open() as tables:
            self._server(tables, zone, server)
            if key not in tables["user_data"].get(server, {}):
                raise unknown_resource("User data", key)
            return Reply(200, base64.b64decode(tables["user_data"][server][key]))

    def set_user_data(self, request: Request, zone: str, server: str, key: str) -> Reply:
        with self._state.open() as tables:
            self._server(tables, zone, server)
            data = tables["user_data"].setdefault(server, {})
            data[key] = base64.b64encode(request.body).decode()
            return Reply(204)

    def delete_user_data(self, request: Request, zone: str, server: str, key: str) -> Reply:
        with self._state.open() as tables:
            self._server(tables, zone, server)
            tables["user_data"].get(server, {}).pop(key, None)
            return Reply(204)

    # Local volumes

    def list_volumes(self, request: Request, zone: str) -> Reply:
        known_zone(zone)
        with self._state.open() as tables:
            rows = chosen(tables["volumes"], request, zone)
            return page(request, "volumes", rows, size_name="per_page", header=True)

    def get_volume(self, request: Request, zone: str, volume: str) -> Reply:
        with self._state.open() as tables:
            return Reply(200, {"volume": self._volume(tables, zone, volume)})

    def delete_volume(self, request: Request, zone: str, volume: str) -> Reply:
        with self._state.open() as tables:
            if self._volume(tables, zone, volume)["server"]:
                raise invalid_request("volume is attached to a server")
            del tables["volumes"][volume]
            return Reply(204)

    def _volume(self, tables: dict[str, dict[str, Row]], zone: str, volume: str) -> Row:
        row = tables["volumes"].get(volume)
        if row is None or row["zone"] != known_zone(zone):
            raise unknown_resource("Volume", volume)
        return row

    # Flexible IPs

    def list_ips(self, request: Request, zone: str) -> Reply:
        known_zone(zone)
        with self._state.open() as tables:
            flexible = {id_: ip for id_, ip in tables["ips"].items() if not ip["_dynamic"]}
            rows = chosen(flexible, request, zone)
            return page(request, "ips", rows, size_name="per_page", header=True)

    def create_ip(self, request: Request, zone: str) -> Reply:
        known_zone(zone)
        wanted = request.json()
        with self._state.open() as tables:
            row = self._addresses.new(tables, zone, list(wanted.get("tags", [])), dynamic=False)
            if wanted.get("server"):
                attach(tables, row["id"], self._server(tables, zone, wanted["server"]))
            return Reply(201, {"ip": public_ip(row)})

    def get_ip(self, request: Request, zone: str, ip: str) -> Reply:
        with self._state.open() as tables:
            return Reply(200, {"ip": public_ip(self._ip(tables, zone, ip))})

    def update_ip(self, request: Request, zone: str, ip: str) -> Reply:
        wanted = request.json()
        with self._state.open() as tables:
            row = self._ip(tables, zone, ip)
            if "tags" in wanted:
                row["tags"] = list(wanted["tags"])
            if "server" in wanted:
                detach(tables, row["id"])
                if wanted["server"]:
                    attach(tables, row["id"], self._server(tables, zone, wanted["server"]))
            return Reply(200, {"ip": public_ip(row)})

    def delete_ip(self, request: Request, zone: str, ip: str) -> Reply:
        with self._state.open() as tables:
            row = self._ip(tables, zone, ip)
            detach(tables, row["id"])
            del tables["ips"][row["id"]]
            return Reply(204)

    def _ip(self, tables: dict[str, dict[str, Row]], zone: str, ip: str) -> Row:
        for row in tables["ips"].values():
            if ip in (row["id"], row["address"]) and row["zone"] == known_zone(zone):
                return row
        raise unknown_resource("IP", ip)

    # Security groups

    def list_groups(self, request: Request, zone: str) -> Reply:
        known_zone(zone)
        with self._state.open() as tables:
            rows = chosen(tables["security_groups"], request, zone)
            return page(request, "security_groups", rows, size_name="per_page", header=True)

    def create_group(self, request: Request, zone: str) -> Reply:
        known_zone(zone)
        wanted = request.json()
        row = {
            "id": new_id(),
            "name": wanted["name"],
            "description": wanted.get("description", ""),
            "enable_default_security": True,
            "inbound_default_policy": wanted.get("inbound_default_policy", "accept"),
            "outbound_default_policy": wanted.get("outbound_default_policy", "accept"),
            "organization": catalogue.ORGANIZATION,
            "project": catalogue.PROJECT,
            "tags": list(wanted.get("tags", [])),
            "project_default": False,
            "servers": [],
            "stateful": bool(wanted.get("stateful", True)),
            "state": "available",
            "zone": zone,
            "creation_date": now(),
        }
        with self._state.open() as tables:
            tables["security_groups"][row["id"]] = row
            return Reply(201, {"security_group": row})

    def get_group(self, request: Request, zone: str, group: str) -> Reply:
        with self._state.open() as tables:
            return Reply(200, {"security_group": self._group(tables, zone, group)})

    def delete_group(self, request: Request, zone: str, group: str) -> Reply:
        with self._state.open() as tables:
            self._group(tables, zone, group)
            users = [s for s in tables["servers"].values() if (s["security_group"] or {}).get("id") == group]
            if users:
                raise conflict("Group is in use. You cannot delete it.")
            del tables["security_groups"][group]
            tables["rules"].pop(group, None)
            return Reply(204)

    def list_rules(self, request: Request, zone: str, group: str) -> Reply:
        with self._state.open() as tables:
            self._group(tables, zone, group)
            rows = tables["rules"].get(group, {}).get("rules", [])
            return page(request, "rules", rows, size_name="per_page", header=True)

    def set_rules(self, request: Request, zone: str, group: str) -> Reply:
        wanted = request.json().get("rules", [])
        with self._state.open() as tables:
            self._group(tables, zone, group)
            rows = [
                {"editable": True, "zone": zone, **rule, "id": rule.get("id") or new_id()} for rule in wanted
            ]
            tables["rules"][group] = {"rules": rows}
            return Reply(200, {"rules": rows})

    def _group(self, tables: dict[str, dict[str, Row]], zone: str, group: str) -> Row:
        row = tables["security_groups"].get(group)
        if row is None or row["zone"] != known_zone(zone):
            raise unknown_resource("Security group", group)
        return row


def block_volume(name: str, zone: str, size: int, tags: list[str], *, status: str, iops: int = 5000) -> Row:
    """A block volume as the Block API shows it."""
    return {
        "id": new_id(),
        "name": name,
        "type": "sbs_5k" if iops <= 5000 else "sbs_15k",
        "size": size,
        "project_id": catalogue.PROJECT,
        "references": [],
        "status": status,
        "tags": tags,
        "zone": zone,
        "created_at": now(),
        "updated_at": now(),
        "specs": {"perf_iops": iops, "class": "sbs"},
    }


def _reference(server_id: str) -> Row:
    return {
        "id": new_id(),
        "product_resource_type": "instance_server",
        "product_resource_id": server_id,
        "type": "exclusive",
        "status": "attached",
        "created_at": now(),
    }


def _allowed(state: str) -> list[str]:
    if state == "running":
        return ["poweroff", "terminate", "reboot", "stop_in_place", "backup"]
    return ["poweron", "backup"] if state == "stopped" else []

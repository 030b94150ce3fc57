"""The IAM API: API keys that end by themselves, applications, policies, SSH keys."""

from __future__ import annotations

import hashlib
import secrets
import string
from datetime import UTC, datetime
from typing import Any

from . import catalogue
from .problems import denied_authentication, not_found, permissions_denied, validation
from .state import Row, State, new_id, now
from .web import Reply, Request, Router, page

BASE = "/iam/v1alpha1"
PUBLIC = ("/marketplace/",)


class IamAPI:
    def __init__(self, state: State) -> None:
        self._state = state
        with state.open() as tables:
            if catalogue.STORE_APPLICATION not in tables["applications"]:
                row = _application("object-store", "May use the object store and nothing else", [])
                tables["applications"][catalogue.STORE_APPLICATION] = {
                    **row,
                    "id": catalogue.STORE_APPLICATION,
                }

    def route(self, router: Router) -> None:
        for method, path, handler in (
            ("GET", "api-keys", self.list_keys),
            ("POST", "api-keys", self.create_key),
            ("GET", "api-keys/{key}", self.get_key),
            ("DELETE", "api-keys/{key}", self.delete_key),
            ("GET", "applications", self.list_applications),
            ("POST", "applications", self.create_application),
            ("GET", "applications/{application}", self.get_application),
            ("DELETE", "applications/{application}", self.delete_application),
            ("GET", "policies", self.list_policies),
            ("POST", "policies", self.create_policy),
            ("DELETE", "policies/{policy}", self.delete_policy),
            ("GET", "ssh-keys", self.list_ssh_keys),
            ("POST", "ssh-keys", self.create_ssh_key),
            ("GET", "ssh-keys/{ssh_key}", self.get_ssh_key),
            ("DELETE", "ssh-keys/{ssh_key}", self.delete_ssh_key),
        ):
            router.add(method, f"{BASE}/{path}", handler)

    def authorise(self, request: Request) -> None:
        """Let the account's own key do all; let keys made here do nothing on this API."""
        if request.path.startswith(PUBLIC):
            return
        secret = request.headers.get("x-auth-token", "")
        if not secret:
            raise denied_authentication("not_found")
        if secrets.compare_digest(secret, catalogue.SECRET_KEY):
            return
        digest = _digest(secret)
        with self._state.open() as tables:
            row = next((key for key in tables["api_keys"].values() if key["_secret_sha256"] == digest), None)
        if row is None:
            raise denied_authentication("not_found")
        if row["expires_at"] and datetime.fromisoformat(row["expires_at"]) <= datetime.now(UTC):
            raise denied_authentication("expired")
        raise permissions_denied(request.path.split("/")[1], "write" if request.method != "GET" else "read")

    # API keys

    def list_keys(self, request: Request) -> Reply:
        bearer = request.first("bearer_id") or request.first("application_id")
        with self._state.open() as tables:
            rows = [
                _shown(key)
                for key in tables["api_keys"].values()
                if (not bearer or key["application_id"] == bearer)
                and (request.first("description") or "") in key["description"]
            ]
            return page(request, "api_keys", rows, size_name="page_size", header=False)

    def create_key(self, request: Request) -> Reply:
        wanted = request.json()
        if "application_id" not in wanted:
            raise validation({"application_id": ["required key not provided"]})
        expires = wanted.get("expires_at")
        if expires and datetime.fromisoformat(expires) <= datetime.now(UTC):
            raise validation({"expires_at": ["must be in the future"]})
        secret = new_id()
        with self._state.open() as tables:
            self._row(tables["applications"], "application", wanted["application_id"])
            letters = string.ascii_uppercase + string.digits
            row = {
                "access_key": "SCW" + "".join(secrets.choice(letters) for _ in range(17)),
                "description": wanted.get("description", ""),
                "default_project_id": wanted.get("default_project_id") or catalogue.PROJECT,
                "application_id": wanted["application_id"],
                "created_at": now(),
                "updated_at": now(),
                "expires_at": expires,
                "editable": True,
                "deletable": True,
                "managed": False,
                "creation_ip": "127.0.0.1",
                "_secret_sha256": _digest(secret),
            }
            tables["api_keys"][row["access_key"]] = row
            # The only time that the secret is shown.
            return Reply(200, {**_shown(row), "secret_key": secret})

    def get_key(self, request: Request, key: str) -> Reply:
        with self._state.open() as tables:
            return Reply(200, _shown(self._row(tables["api_keys"], "api_key", key)))

    def delete_key(self, request: Request, key: str) -> Reply:
        with self._state.open() as tables:
            self._row(tables["api_keys"], "api_key", key)
            del tables["api_keys"][key]
            return Reply(204)

    # Applications and policies

    def list_applications(self, request: Request) -> Reply:
        name = request.first("name") or ""
        with self._state.open() as tables:
            rows = [row for row in tables["applications"].values() if name in row["name"]]
            return page(request, "applications", rows, size_name="page_size", header=False)

    def create_application(self, request: Request) -> Reply:
        wanted = request.json()
        row = _application(wanted["name"], wanted.get("description", ""), wanted.get("tags") or [])
        with self._state.open() as tables:
            tables["applications"][row["id"]] = row
            return Reply(200, row)

    def get_application(self, request: Request, application: str) -> Reply:
        with self._state.open() as tables:
            return Reply(200, self._row(tables["applications"], "application", application))

    def delete_application(self, request: Request, application: str) -> Reply:
        with self._state.open() as tables:
            self._row(tables["applications"], "application", application)
            del tables["applications"][application]
            for key in [k for k, row in tables["api_keys"].items() if row["application_id"] == application]:
                del tables["api_keys"][key]
            return Reply(204)

    def list_policies(self, request: Request) -> Reply:
        with self._state.open() as tables:
            rows = list(tables["policies"].values())
            return page(request, "policies", rows, size_name="page_size", header=False)

    def create_policy(self, request: Request) -> Reply:
        wanted = request.json()
        rules = wanted.get("rules") or []
        row = {
            "id": new_id(),
            "name": wanted["name"],
            "description": wanted.get("description", ""),
            "organization_id": catalogue.ORGANIZATION,
            "editable": True,
            "deletable": True,
            "managed": False,
            "nb_rules": len(rules),
            "nb_scopes": len(rules),
            "nb_permission_sets": sum(len(rule.get("permission_set_names") or []) for rule in rules),
            "tags": wanted.get("tags") or [],
            "created_at": now(),
            "application_id": wanted.get("application_id"),
        }
        with self._state.open() as tables:
            tables["policies"][row["id"]] = row
            return Reply(200, row)

    def delete_policy(self, request: Request, policy: str) -> Reply:
        with self._state.open() as tables:
            self._row(tables["policies"], "policy", policy)
            del tables["policies"][policy]
            return Reply(204)

    # SSH keys

    def list_ssh_keys(self, request: Request) -> Reply:
        with self._state.open() as tables:
            rows = list(tables["ssh_keys"].values())
            return page(request, "ssh_keys", rows, size_name="page_size", header=False)

    def create_ssh_key(self, request: Request) -> Reply:
        wanted = request.json()
        if not str(wanted.get("public_key", "")).startswith(("ssh-", "ecdsa-")):
            raise validation({"public_key": ["is not a public key"]})
        row = {
            "id": new_id(),
            "name": wanted.get("name", ""),
            "public_key": wanted["public_key"],
            "fingerprint": _digest(wanted["public_key"])[:32],
            "organization_id": catalogue.ORGANIZATION,
            "project_id": wanted.get("project_id") or catalogue.PROJECT,
            "disabled": False,
            "created_at": now(),
            "updated_at": now(),
        }
        with self._state.open() as tables:
            tables["ssh_keys"][row["id"]] = row
            return Reply(200, row)

    def get_ssh_key(self, request: Request, ssh_key: str) -> Reply:
        with self._state.open() as tables:
            return Reply(200, self._row(tables["ssh_keys"], "ssh_key", ssh_key))

    def delete_ssh_key(self, request: Request, ssh_key: str) -> Reply:
        with self._state.open() as tables:
            self._row(tables["ssh_keys"], "ssh_key", ssh_key)
            del tables["ssh_keys"][ssh_key]
            return Reply(204)

    def _row(self, rows: dict[str, Row], what: str, identifier: str) -> Row:
        if identifier not in rows:
            raise not_found(what, identifier)
        return rows[identifier]


def _application(name: str, description: str, tags: list[str]) -> dict[str, Any]:
    return {
        "id": new_id(),
        "name": name,
        "description": description,
        "organization_id": catalogue.ORGANIZATION,
        "editable": True,
        "deletable": True,
        "managed": False,
        "nb_api_keys": 0,
        "tags": tags,
        "created_at": now(),
        "updated_at": now(),
    }


def _shown(row: Row) -> Row:
    return {key: value for key, value in row.items() if not key.startswith("_")}


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()

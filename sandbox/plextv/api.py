"""The few addresses of plex.tv that matter here, and /sandbox/… to steer them in tests."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

from sandbox.plex import web
from sandbox.plex.web import Reply, Request
from sandbox.plextv import ACCOUNT_TOKEN, CLAIM_VALIDITY
from sandbox.plextv.ledger import Ledger, NotClaimableError


class Api:
    """Answers requests to plex.tv.

    GET    /api/claim/token.json      with X-Plex-Token of the account: {"token": "claim-…", "expiresIn": …}
    POST   /api/claim/exchange        ?token=claim-…, X-Plex-Client-Identifier: <user> with the server's token
    GET    /api/v2/user               who a token belongs to
    DELETE /devices/<identifier>.xml  remove a server from the account
    GET    /sandbox/state             how many tokens are out, which servers are claimed
    PUT    /sandbox/state             {"validity": seconds, "expire": true, "status": 503 | null}
    DELETE /sandbox/state             as at the beginning
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def answer(self, request: Request) -> Reply:
        """One reply; errors in the JSON that plex.tv wraps them in."""
        if request.path == "/sandbox/state":
            return self._steer(request)
        if self.ledger.status is not None:
            return web.html(self.ledger.status, "plex.tv has trouble")
        if (request.method, request.path) == ("POST", "/api/claim/exchange"):
            return self._exchange(request)
        token = request.value("X-Plex-Token")
        if token != ACCOUNT_TOKEN and not self.ledger.is_server(token):
            return _error(401, 1001, "User could not be authenticated")
        if (request.method, request.path) == ("GET", "/api/claim/token.json"):
            claim = self.ledger.hand_out()
            return _json({"token": claim.token, "expiresIn": int(claim.expires - self.ledger.now())})
        if (request.method, request.path) == ("GET", "/api/v2/user"):
            user = {"id": 1, "username": "sandbox", "email": "sandbox@example.com", "home": False}
            return _json({**user, "subscription": {"active": True, "status": "Active"}})
        if request.method == "DELETE" and request.path.startswith("/devices/"):
            client = request.path.removeprefix("/devices/").removesuffix(".xml")
            return Reply() if self.ledger.forget(client) else _error(404, 1020, "Device not found")
        return _error(404, 1000, "Not found")

    def _exchange(self, request: Request) -> Reply:
        client = request.value("X-Plex-Client-Identifier")
        if not client:
            return _error(400, 1000, "X-Plex-Client-Identifier is missing")
        try:
            token = self.ledger.exchange(request.query.get("token", ""), client)
        except NotClaimableError as refused:
            return _error(404, 1060, f"Code not found or expired: {refused}")
        user = ET.Element("user", {"id": "1", "username": "sandbox", "email": "sandbox@example.com"})
        ET.SubElement(user, "authentication-token").text = token
        return web.xml(user, 201)

    def _steer(self, request: Request) -> Reply:
        if request.method == "PUT":
            try:
                wanted = json.loads(request.body)
            except ValueError as wrong:
                return _error(400, 0, str(wrong))
            unknown = sorted(set(wanted) - {"validity", "expire", "status"})
            if unknown:
                return _error(400, 0, f"no such switch: {', '.join(unknown)}")
            if "validity" in wanted:
                self.ledger.set_validity(float(wanted["validity"]))
            if wanted.get("expire"):
                self.ledger.expire_all()
            if "status" in wanted:
                self.ledger.set_status(wanted["status"])
        elif request.method == "DELETE":
            self.ledger.set_validity(CLAIM_VALIDITY)
            self.ledger.set_status(None)
        return _json(self.ledger.summary())


def _json(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode() + b"\n", "application/json; charset=utf-8")


def _error(status: int, code: int, message: str) -> Reply:
    return _json({"errors": [{"code": code, "message": message, "status": status}]}, status)

"""The life of a server: stopped, starting, running, stopping, gone. It takes time, as the real ones do."""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections.abc import Callable

from .boot import Boot, Order
from .state import Row, State

_log = logging.getLogger(__name__)


class Lifecycle:
    """Moves servers from state to state in threads of its own.

    Args:
        delay: seconds that a server stays in a state of passage, at least.
    """

    def __init__(self, state: State, boot: Boot, delay: float) -> None:
        self._state = state
        self._boot = boot
        self._delay = delay

    def resume(self) -> None:
        """After a restart of the stand-in: take up every passage where it was left."""
        with self._state.open() as tables:
            states = {id_: server["state"] for id_, server in tables["servers"].items()}
            details = {id_: server["state_detail"] for id_, server in tables["servers"].items()}
        for server_id, state in states.items():
            if state == "starting" or state == "running":
                self._run(self._start, server_id)
            elif state == "stopping":
                leaving = details[server_id] == "terminating"
                self._run(self._remove if leaving else self._stop, server_id)

    def power_on(self, server: Row) -> None:
        server |= {"state": "starting", "state_detail": "provisioning node"}
        self._run(self._start, server["id"])

    def power_off(self, server: Row) -> None:
        server |= {"state": "stopping", "state_detail": "stopping"}
        self._run(self._stop, server["id"])

    def terminate(self, server: Row) -> None:
        server |= {"state": "stopping", "state_detail": "terminating"}
        self._run(self._remove, server["id"])

    def reboot(self, server: Row) -> None:
        server |= {"state": "starting", "state_detail": "rebooting"}

        def again(server_id: str) -> None:
            self._boot.stop(server_id)
            self._start(server_id)

        self._run(again, server["id"])

    def forget(self, server_id: str) -> None:
        """Remove the machine of a server that was deleted while it was off."""
        self._run(self._boot.remove, server_id)

    def _run(self, step: Callable[[str], None], server_id: str) -> None:
        def passage() -> None:
            time.sleep(self._delay)
            step(server_id)

        threading.Thread(target=passage, name=f"{step.__name__} {server_id}", daemon=True).start()

    def _start(self, server_id: str) -> None:
        with self._state.open() as tables:
            server = tables["servers"].get(server_id)
            if server is None:
                return
            user_data = tables["user_data"].get(server_id, {}).get("cloud-init", "")
            address = server["public_ips"][0]["address"] if server["public_ips"] else ""
            order = Order(server_id, server["hostname"], address, base64.b64decode(user_data))
        try:
            if not address:
                raise ValueError("a server of the sandbox needs a public IP to be reached")
            self._boot.start(order)
        except Exception as error:
            _log.exception("The machine of %s did not start", server_id)
            self._settle(server_id, "stopped", f"boot failed: {error}")
        else:
            self._settle(server_id, "running", "booting kernel")

    def _stop(self, server_id: str) -> None:
        self._boot.stop(server_id)
        self._settle(server_id, "stopped", "")

    def _remove(self, server_id: str) -> None:
        self._boot.remove(server_id)
        with self._state.open() as tables:
            drop_server(tables, server_id, with_local_volumes=True)

    def _settle(self, server_id: str, state: str, detail: str) -> None:
        with self._state.open() as tables:
            if server_id in tables["servers"]:
                tables["servers"][server_id] |= {"state": state, "state_detail": detail}


def drop_server(tables: dict[str, dict[str, Row]], server_id: str, *, with_local_volumes: bool) -> None:
    """Forget a server. Block volumes and flexible IPs are let go, never deleted: that is the customer's."""
    server = tables["servers"].pop(server_id, None)
    tables["user_data"].pop(server_id, None)
    if server is None:
        return
    for volume in server["volumes"].values():
        if volume["id"] in tables["block"]:
            tables["block"][volume["id"]] |= {"status": "available", "references": []}
        elif with_local_volumes:
            tables["volumes"].pop(volume["id"], None)
        elif volume["id"] in tables["volumes"]:
            tables["volumes"][volume["id"]]["server"] = None
    for ip in list(tables["ips"].values()):
        if ip["server"] and ip["server"]["id"] == server_id:
            if ip["_dynamic"]:
                del tables["ips"][ip["id"]]
            else:
                ip |= {"server": None, "state": "detached"}

"""A cloud for tests: the Scaleway stand-in on a free port, whose machines are SSH servers on loopback.

Only the machines are small: the API, the official SDK and the SSH protocol are real.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any
from unittest import mock

import paramiko
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from medialift.cloud.instances import account_from, wanted_from
from medialift.cloud.scaleway import Limits, Scaleway
from medialift.cloud.wanted import Wanted
from sandbox.ports import free_port
from sandbox.scaleway import catalogue
from sandbox.scaleway.boot import Order
from sandbox.scaleway.server import StandIn, serve
from sandbox.settings import Settings

CREDENTIALS = {
    "access_key": catalogue.ACCESS_KEY,
    "secret_key": catalogue.SECRET_KEY,
    "organization_id": catalogue.ORGANIZATION,
    "project_id": catalogue.PROJECT,
}


class LoopbackBoot:
    """Boots an SSH server on 127.x for every order, with the host key and login key of its user data.

    Args:
        port: where they listen.
        status: what `cloud-init status` says on them.
        other_key: show a host key that nobody injected.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.status = "done"
        self.other_key = False
        self.deaf = False
        self.orders: list[Order] = []
        self._servers: dict[str, _SshServer] = {}

    def start(self, order: Order) -> None:
        self.orders.append(order)
        if self.deaf:
            return
        config = yaml.safe_load(order.user_data)
        private = config["ssh_keys"]["ed25519_private"]
        if self.other_key:
            private = _private_pem(Ed25519PrivateKey.generate())
        key = paramiko.Ed25519Key.from_private_key(io.StringIO(private))
        may_enter = [line.split()[1] for line in config["users"][0]["ssh_authorized_keys"]]
        self._servers[order.server_id] = _SshServer(order.address, self.port, key, may_enter, self)

    def stop(self, server_id: str) -> None:
        self.remove(server_id)

    def remove(self, server_id: str) -> None:
        server = self._servers.pop(server_id, None)
        if server is not None:
            server.close()

    def running(self) -> list[str]:
        return sorted(self._servers)

    def close(self) -> None:
        for server_id in self.running():
            self.remove(server_id)


class _SshServer:
    def __init__(
        self, address: str, port: int, key: paramiko.PKey, may_enter: list[str], boot: LoopbackBoot
    ) -> None:
        self._key, self._may_enter, self._boot = key, may_enter, boot
        self._listener = socket.create_server((address, port))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        # A close alone leaves the port taken for as long as a thread waits in accept.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transport.add_server_key(self._key)
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport.start_server(server=_Session(self._may_enter, self._boot))


class _Session(paramiko.ServerInterface):
    def __init__(self, may_enter: list[str], boot: LoopbackBoot) -> None:
        self._may_enter, self._boot = may_enter, boot

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = username == "root" and key.get_base64() in self._may_enter
        return paramiko.AUTH_SUCCESSFUL if known else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        def answer() -> None:
            channel.sendall(f"status: {self._boot.status}\n".encode())
            channel.send_exit_status(0)
            channel.close()

        threading.Thread(target=answer, daemon=True).start()
        return True


@dataclass
class CloudWorld:
    """The stand-in, its address, and a user with an SSH key."""

    url: str
    stand_in: StandIn
    boot: LoopbackBoot
    public_key: str
    private_key: Path
    options: dict[str, Any] = field(default_factory=dict)

    def client(self, **changes: Any) -> Scaleway:
        """A client that gives up quickly. `limits=` and any credential may be changed."""
        limits = changes.pop("limits", Limits(connect=2, read=2, tries=3, first=0.02, longest=0.1))
        account = account_from({**CREDENTIALS, "api_url": self.url, **changes})
        return Scaleway(type(account)(**{**vars(account), "limits": limits}))

    def wanted(self, **changes: Any) -> Wanted:
        return wanted_from({**self.options, **changes})

    def fault(self, **fault: Any) -> None:
        self._control("POST", "/_sandbox/faults", fault)

    def heal(self) -> None:
        self._control("DELETE", "/_sandbox/faults")

    def inventory(self) -> Mapping[str, int]:
        """How many of each kind of thing exist."""
        counted: Mapping[str, int] = self._control("GET", "/_sandbox/inventory")
        return counted

    def requests(self, match: str) -> int:
        counted = self._control("GET", "/_sandbox/requests")["requests"]
        return sum(number for line, number in counted.items() if match in line)

    def is_empty(self) -> bool:
        """Whether nothing is left that would cost money, and no machine runs."""
        counted = self.inventory()
        kinds = ("servers", "volumes", "block", "ips", "security_groups")
        return not any(counted[kind] for kind in kinds) and not self.boot.running()

    def _control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=5)
        with contextlib.closing(connection):
            connection.request(method, path, body=json.dumps(body or {}))
            reply = connection.getresponse()
            content = reply.read()
            assert reply.status < 300, content
            return json.loads(content) if content else None


def make_cloud_world(folder: Path, *, delay: float = 0.05) -> Iterator[CloudWorld]:
    """For a fixture: yields the world, and takes it down."""
    key = Ed25519PrivateKey.generate()
    private_key = folder / "id_ed25519"
    private_key.write_text(_private_pem(key))
    private_key.chmod(0o600)
    public_key = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    port = free_port()
    boot = LoopbackBoot(port)
    # Each world has a loopback network of its own, so that tests may run side by side.
    subnet = IPv4Network(f"127.{1 + port % 250}.{port // 250 % 250}.0/24")
    stand_in = StandIn(folder / "state", boot, delay=delay, settings=Settings(subnet=subnet))
    server = serve(stand_in, "127.0.0.1", 0)
    world = CloudWorld(
        url=f"http://127.0.0.1:{server.server_address[1]}",
        stand_in=stand_in,
        boot=boot,
        public_key=public_key,
        private_key=private_key,
        options={
            "name": "burst",
            "offers": [{"zone": "fr-par-1", "commercial_type": "PLAY2-MICRO"}],
            "image": "debian_bookworm",
            "authorized_keys": [public_key],
            "private_key_file": str(private_key),
            "ssh_port": port,
            "lifetime": "6h",
            "timeout": "15s",
            "poll": "50ms",
        },
    )
    # Runs of one machine wait for each other by a lock there: worlds that only share this machine must not.
    locks = folder / "tmp"
    locks.mkdir()
    try:
        with (
            mock.patch.dict(os.environ, {"TMPDIR": str(locks)}),
            mock.patch.object(tempfile, "tempdir", str(locks)),
        ):
            yield world
    finally:
        stand_in.faults.clear()
        # What is still under way ends before its machines are taken down.
        time.sleep(2 * delay)
        boot.close()
        server.shutdown()
        server.server_close()


def _private_pem(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()

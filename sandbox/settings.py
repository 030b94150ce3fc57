"""Where everything in the sandbox is: addresses, ports, names and folders.

Nothing here can be chosen, except the subnet (`MEDIALIFT_SANDBOX_SUBNET`, for machines where it clashes
with a network that exists): the sandbox is one fixed small world, and a machine holds one of it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from medialift.errors import Permanent

ROOT = Path(__file__).resolve().parent.parent
PYTHON = str(Path(sys.prefix) / "bin" / "python")
"""What services run in: one name for it, whether a command or pytest (`python3`) starts them."""

NETWORK = "medialift"
SUBNET = IPv4Network("172.30.77.0/24")
LABEL = "medialift.sandbox"
"""Every container and network of the sandbox carries this label; its value says what it is."""

REGISTRY_PORT = 5000
STORE_PORT = 9000
STORE_BACKEND_PORT = 9001
STORE_CONTROL_PORT = 9002
PACKAGE_INDEX_PORT = 3141
SCALEWAY_PORT = 8474
PLEX_TV_PORT = 8480
MODEL_PORT = 8490
AUDIBLE_PORT = 8495

ACCESS_KEY = "SANDBOXACCESSKEY01"
SECRET_KEY = "sandbox-secret-key-01"
REGION = "fr-par"
MEDIA_BUCKET = "media"
ARCHIVE_BUCKET = "medialift"
DEMO_FILES = 60
"""Media files that a demo makes unless told otherwise."""

HOME_NAME = "medialift-home"
HOME_HOST = 10
BOOKS_NAME = "medialift-books"
BOOKS_HOST = 20
BOOKS_WORKER_NAME = "medialift-books-worker"
BOOKS_WORKER_HOST = 21
FIRST_FLEXIBLE_HOST = 100

BASE_IMAGE = "medialift/base:12"
MACHINE_IMAGE = "medialift/machine:12"
CLOUD_IMAGE = "medialift/cloud:12"
AUDIOBOOKS_BASE_IMAGE = "medialift/audiobooks-base:12"


@dataclass(frozen=True)
class Settings:
    """The sandbox's place on this machine.

    Args:
        root: the checkout.
        subnet: the network that its machines and its services share; a /24 or larger.
    """

    root: Path = ROOT
    subnet: IPv4Network = SUBNET

    @classmethod
    def load(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The settings of this machine.

        Raises:
            Permanent: MEDIALIFT_SANDBOX_SUBNET is not a network of at least 256 addresses.
        """
        chosen = environment.get("MEDIALIFT_SANDBOX_SUBNET", "")
        if not chosen:
            return cls()
        try:
            subnet = IPv4Network(chosen)
        except ValueError as fault:
            raise Permanent(
                f"The sandbox's subnet is not an IPv4 network ({fault})",
                chosen,
                "Set MEDIALIFT_SANDBOX_SUBNET to something like 172.30.77.0/24",
            ) from fault
        if subnet.prefixlen > 24:
            raise Permanent("The sandbox's subnet is too small", chosen, "Give it a /24 or larger")
        return cls(subnet=subnet)

    def address(self, host: int) -> str:
        """The address with this number in the subnet."""
        return str(self.subnet[host])

    @property
    def gateway(self) -> str:
        """The host as the machines see it: the sandbox's services listen here and on 127.0.0.1."""
        return self.address(1)

    @property
    def home(self) -> str:
        return self.address(HOME_HOST)

    @property
    def books(self) -> str:
        """The book server: MyBookshelf2, the ledger and some of the workers."""
        return self.address(BOOKS_HOST)

    @property
    def books_worker(self) -> str:
        """A second machine, with workers only."""
        return self.address(BOOKS_WORKER_HOST)

    @property
    def state(self) -> Path:
        """Everything the sandbox keeps between commands. Never committed, safe to delete after `down`."""
        return self.root / ".cache" / "sandbox"

    @property
    def ssh_key(self) -> Path:
        return self.state / "ssh" / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        return self.state / "ssh" / "known_hosts"

    @property
    def known_hosts_books(self) -> Path:
        return self.state / "ssh" / "known_hosts_books"

    @property
    def store_url(self) -> str:
        """S3 through the fault proxy, as machines and the controller both reach it."""
        return f"http://{self.gateway}:{STORE_PORT}"

    @property
    def store_control_url(self) -> str:
        return f"http://127.0.0.1:{STORE_CONTROL_PORT}"

    @property
    def registry_url(self) -> str:
        """The registry as nested engines reach it: the value of `registry-mirrors`."""
        return f"http://{self.gateway}:{REGISTRY_PORT}"

    @property
    def package_index_url(self) -> str:
        return f"http://{self.gateway}:{PACKAGE_INDEX_PORT}/simple/"

    @property
    def scaleway_url(self) -> str:
        return f"http://127.0.0.1:{SCALEWAY_PORT}"

    @property
    def plex_tv_url(self) -> str:
        return f"http://{self.gateway}:{PLEX_TV_PORT}"

    @property
    def model_url(self) -> str:
        """The language model's API: the value of `healing.model.base_url`."""
        return f"http://{self.gateway}:{MODEL_PORT}/v1"

"""Host keys made by the controller: an instance is known before it is first spoken to.

The private half is put into the instance by cloud-init, the public half is written on the instance as a tag.
So the controller checks strictly from the first connection on, and another controller, or this one after a
crash, can do the same.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

TYPE = "ssh-ed25519"


@dataclass(frozen=True)
class HostKey:
    """An ed25519 host key.

    Args:
        public: `ssh-ed25519 AAAA…`, without a comment.
        private: OpenSSH's PEM; empty when only the public half is known.
    """

    public: str
    private: str = field(default="", repr=False)

    @property
    def blob(self) -> str:
        """The public half in base64, as in known_hosts."""
        return self.public.split()[1]

    @property
    def fingerprint(self) -> str:
        """As ssh prints it: `SHA256:…`."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")

    def known_hosts(self, address: str, port: int = 22) -> str:
        """The line of known_hosts for this key at this address."""
        host = address if port == 22 else f"[{address}]:{port}"
        return f"{host} {self.public}"


def make() -> HostKey:
    """A new key."""
    key = Ed25519PrivateKey.generate()
    return HostKey(
        public=key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
        private=key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode(),
    )

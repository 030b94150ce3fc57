"""The certificate authorities that this machine trusts beyond Debian's own: images must trust them too."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_LOCAL = Path("/usr/local/share/ca-certificates")
_DISTRIBUTION = Path("/usr/share/ca-certificates")
_NAMED_BY = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "PIP_CERT")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


def local_authorities(environment: Mapping[str, str] = os.environ) -> dict[str, bytes]:
    """File name -> PEM, one certificate each, in an order that never changes.

    They come from /usr/local/share/ca-certificates and from the bundles that environment variables name;
    what Debian's ca-certificates package ships is left out. All the variables may be unset.
    """
    shipped = {_digest(body) for file in sorted(_DISTRIBUTION.rglob("*.crt")) for body in _bodies(file)}
    bundles = [Path(environment[name]) for name in _NAMED_BY if environment.get(name)]
    found: dict[str, bytes] = {}
    for file in [*sorted(_LOCAL.rglob("*.crt")), *(bundle for bundle in bundles if bundle.is_file())]:
        for body in _bodies(file):
            digest = _digest(body)
            if digest not in shipped:
                pem = b"-----BEGIN CERTIFICATE-----" + body + b"-----END CERTIFICATE-----\n"
                found[f"sandbox-{digest[:16]}.crt"] = pem
    return dict(sorted(found.items()))


def _bodies(file: Path) -> Iterator[bytes]:
    for found in _CERTIFICATE.finditer(file.read_bytes()):
        yield found.group(1)


def _digest(body: bytes) -> str:
    return hashlib.sha256(b"".join(body.split())).hexdigest()

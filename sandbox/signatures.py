"""AWS signature version 4, the server's half: moto takes any credentials, a real store does not.

Source: "Authenticating Requests (AWS Signature Version 4)" in Amazon S3's API reference. Only what is signed
in headers or in the query is checked; a body is not read, its digest is taken from x-amz-content-sha256.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, unquote

_ALGORITHM = "AWS4-HMAC-SHA256"


def refusal(
    method: str, target: str, headers: Mapping[str, str], *, access_key: str, secret_key: str
) -> tuple[str, str] | None:
    """Why a request is refused, as S3's (code, message); None when it is signed with these keys.

    Args:
        target: path and query as they came, still encoded.
        headers: by lower-case name.
    """
    path, _, query = target.partition("?")
    halves = [part.partition("=") for part in query.split("&") if part]
    pairs = [(unquote(name), unquote(value)) for name, _, value in halves]
    asked = dict(pairs)
    if "X-Amz-Signature" in asked:
        credential = asked.get("X-Amz-Credential", "")
        names = asked.get("X-Amz-SignedHeaders", "")
        signature, moment = asked["X-Amz-Signature"], asked.get("X-Amz-Date", "")
        body = "UNSIGNED-PAYLOAD"
        pairs = [pair for pair in pairs if pair[0] != "X-Amz-Signature"]
    elif headers.get("authorization", "").startswith(_ALGORITHM):
        fields = dict(
            field.strip().partition("=")[::2]
            for field in headers["authorization"][len(_ALGORITHM) :].split(",")
        )
        credential = fields.get("Credential", "")
        names, signature = fields.get("SignedHeaders", ""), fields.get("Signature", "")
        moment = headers.get("x-amz-date", "")
        body = headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    else:
        return "AccessDenied", "Access Denied"
    key, _, scope = credential.partition("/")
    if key != access_key:
        return "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
    canonical = "\n".join(
        (
            method,
            quote(unquote(path), safe="/-_.~"),
            "&".join(
                sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
            ),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in names.split(";")),
            "",
            names,
            body,
        )
    )
    to_sign = "\n".join((_ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    expected = hmac.new(_signing_key(secret_key, scope), to_sign.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature):
        return (
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
        )
    return None


@lru_cache(maxsize=64)
def _signing_key(secret_key: str, scope: str) -> bytes:
    key = b"AWS4" + secret_key.encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key

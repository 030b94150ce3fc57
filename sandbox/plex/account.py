"""The server's side of plex.tv: a claim token is exchanged, once, for the token of its account."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET
from dataclasses import dataclass


class ClaimRefusedError(Exception):
    """plex.tv did not take the claim token: it expired, was used before, or plex.tv cannot be reached."""


@dataclass(frozen=True)
class Owner:
    """Who claimed the server."""

    token: str
    username: str
    email: str


def exchange(plex_tv: str, claim: str, identifier: str) -> Owner:
    """Exchange `claim-…` for the account's token, as the image's first-run script does.

    Args:
        plex_tv: base address of plex.tv.
        identifier: ProcessedMachineIdentifier, sent as X-Plex-Client-Identifier.
    """
    request = urllib.request.Request(
        f"{plex_tv}/api/claim/exchange?token={urllib.parse.quote(claim)}",
        method="POST",
        headers={"X-Plex-Client-Identifier": identifier, "X-Plex-Product": "Plex Media Server"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            user = ET.fromstring(reply.read())
    except urllib.error.HTTPError as refused:
        raise ClaimRefusedError(f"plex.tv answered {refused.code}: {_message(refused.read())}") from refused
    except (OSError, ET.ParseError) as broken:
        raise ClaimRefusedError(f"plex.tv cannot be reached: {broken}") from broken
    return Owner(
        token=user.findtext("authentication-token") or "",
        username=user.get("username", ""),
        email=user.get("email", ""),
    )


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["errors"][0]["message"])
    except (ValueError, KeyError, IndexError, TypeError):
        return body.decode("utf-8", "replace")[:200]

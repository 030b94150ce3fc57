"""What the image does before the server runs: user, owner of the config folder, and the first run's claim.

PLEX_UID, PLEX_GID (PUID, PGID)     who the server runs as (1000)
CHANGE_CONFIG_DIR_OWNERSHIP         false leaves the owners below /config alone
PLEX_CLAIM, PLEX_CLAIM_FILE         a claim token, exchanged at the first start of a server nobody has claimed
ADVERTISE_IP, ALLOWED_NETWORKS      preferences of the first run
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.plex import account
from sandbox.plex.preferences import Preferences

CONFIG = Path("/config")
FIRST_RUN_DONE = Path("/.firstRunComplete")


def first_run(environment: Mapping[str, str], data: Path, plex_tv: str) -> str:
    """Make the identity and exchange the claim token. Returns a line for the log.

    A refused token is no error here: as in the real image, the server then starts unclaimed.
    """
    preferences = Preferences(data / "Preferences.xml")
    if environment.get("ADVERTISE_IP"):
        preferences.put(customConnections=environment["ADVERTISE_IP"])
    if environment.get("ALLOWED_NETWORKS"):
        preferences.put(allowedNetworks=environment["ALLOWED_NETWORKS"])
    token = claim_token(environment)
    if not token:
        return "No claim token was given"
    if preferences.claimed:
        return "The server is claimed already: the claim token is not used"
    try:
        owner = account.exchange(plex_tv, token, preferences.get("ProcessedMachineIdentifier"))
    except account.ClaimRefusedError as refused:
        return f"The claim token was not exchanged: {refused}"
    preferences.put(
        PlexOnlineToken=owner.token, PlexOnlineUsername=owner.username, PlexOnlineMail=owner.email
    )
    return "Token obtained successfully"


def claim_token(environment: Mapping[str, str]) -> str:
    """The claim token of PLEX_CLAIM, or of the file that PLEX_CLAIM_FILE names; '' for none."""
    if environment.get("PLEX_CLAIM"):
        return environment["PLEX_CLAIM"].strip()
    file = environment.get("PLEX_CLAIM_FILE")
    return Path(file).read_text().strip() if file and Path(file).is_file() else ""


def give_to(folder: Path, uid: int, gid: int) -> int:
    """Make a user the owner of a folder and all below. Returns how many entries changed."""
    changed = 0
    for here, folders, files in os.walk(folder):
        for name in ["", *folders, *files]:
            path = os.path.join(here, name) if name else here  # noqa: PTH118 - Path cannot hold every name
            facts = os.lstat(path)
            if (facts.st_uid, facts.st_gid) != (uid, gid):
                os.lchown(path, uid, gid)
                changed += 1
    return changed


def main() -> None:
    """Prepare, become the server's user, and turn into the server."""
    environment = os.environ
    data = Path(environment["STANDIN_DATA"])
    uid = int(environment.get("PLEX_UID") or environment.get("PUID") or 1000)
    gid = int(environment.get("PLEX_GID") or environment.get("PGID") or 1000)
    data.mkdir(parents=True, exist_ok=True)
    without_preferences = not (data / "Preferences.xml").exists()
    if not FIRST_RUN_DONE.exists():
        print(first_run(environment, data, environment["STANDIN_PLEX_TV"]), flush=True)
        FIRST_RUN_DONE.touch()
    if environment.get("CHANGE_CONFIG_DIR_OWNERSHIP", "true").lower() != "false":
        give_to(CONFIG, uid, gid)
    elif without_preferences:
        give_to(data, uid, gid)  # the real image makes both, and gives both away, whatever that variable says
    else:
        os.chown(data / "Preferences.xml", uid, gid)  # it edits them in place, so their owner stays
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    os.execv(sys.executable, [sys.executable, "-m", "sandbox.plex"])  # the server becomes PID 1


if __name__ == "__main__":
    main()

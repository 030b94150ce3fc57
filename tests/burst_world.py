"""The sandbox as the end-to-end tests see it: they play playbooks, look at home, the cloud and the store."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from plexapi.server import PlexServer

from sandbox import history, store
from sandbox.docker import docker
from sandbox.settings import ARCHIVE_BUCKET, LABEL, ROOT, Settings
from tests.logs_world import Opened

SETTINGS = Settings.load()
INVENTORY = ROOT / "inventories/sandbox"
SECRET = re.compile(
    # The sandbox's own secrets by value, and whatever looks like a claim token.
    r"sandbox-secret-key-01|sandbox-account-token-01|5a9db0c5-0000-4000-8000-00000000c0de"
    r"|claim-(?!predicted)[A-Za-z0-9_-]{12,}"
)


@dataclass(frozen=True)
class Played:
    """How a run of ansible-playbook ended."""

    code: int
    output: str

    def recap(self, host: str) -> dict[str, int]:
        """The host's line of the last recap: {ok, changed, unreachable, failed, …}."""
        line = re.findall(rf"^{host}\s+: (ok=.*)$", self.output, re.MULTILINE)[-1]
        return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line)}

    def of_task(self, name: str) -> str:
        """How the last task of this name ended: ok, changed, fatal…"""
        return re.findall(rf"^TASK \[{name}\] \**\n(\w+): ", self.output, re.MULTILINE)[-1]

    @property
    def folded(self) -> str:
        """The output in one line: Ansible breaks long messages where the terminal would end."""
        return re.sub(r"\s+", " ", self.output)


def start(
    *playbooks: str,
    artifacts: Path,
    arguments: tuple[str, ...] = (),
    inventories: tuple[Path, ...] = (),
    variables: Mapping[str, object] | None = None,
) -> subprocess.Popen[str]:
    """Start ansible-playbook against the sandbox, as the README tells to, in a session of its own."""
    artifacts.mkdir(parents=True, exist_ok=True)
    values = {"medialift_artifacts": str(artifacts), **(variables or {})}
    return subprocess.Popen(
        [
            str(ROOT / ".venv/bin/ansible-playbook"),
            *(word for inventory in (INVENTORY, *inventories) for word in ("-i", str(inventory))),
            *(str(ROOT / "playbooks" / f"{name}.yml") for name in playbooks),
            *("--extra-vars", json.dumps(values)),
            *arguments,
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def play(*playbooks: str, artifacts: Path, timeout: float = 600, **more: Any) -> Played:
    """Run playbooks to their end; what they printed is in `artifacts` too."""
    process = start(*playbooks, artifacts=artifacts, **more)
    try:
        output, _ = process.communicate(timeout=timeout)
    except BaseException:
        process.kill()
        raise
    with (artifacts / "ansible.log").open("a", encoding="utf-8") as log:
        log.write(output)
    return Played(process.returncode, output)


def succeed(*playbooks: str, artifacts: Path, **more: Any) -> Played:
    """`play`, and it has to end well."""
    played = play(*playbooks, artifacts=artifacts, **more)
    assert played.code == 0, played.output[-6000:]
    return played


def on_home(command: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a command at home over ssh, as its owner does, with the host key checked."""
    options = ("-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes")
    known = ("-o", f"UserKnownHostsFile={SETTINGS.known_hosts}", "-i", str(SETTINGS.ssh_key))
    return subprocess.run(
        ["ssh", *options, *known, f"root@{SETTINGS.home}", command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def home_plex() -> PlexServer:
    """Home's Plex, for its owner."""
    return PlexServer(f"http://{SETTINGS.home}:32400", history.home_token())


def counts(plex: PlexServer) -> dict[str, int]:
    """{section: films, episodes, tracks or photos}, as Plex serves them."""
    leaf = {"movie": "movie", "show": "episode", "artist": "track", "photo": "photo"}
    return {
        section.title: section.totalViewSize(libtype=leaf[section.type], includeCollections=False)
        for section in plex.library.sections()
    }


def what_people_did(plex: PlexServer) -> dict[str, Any]:
    """The ratings and the watched, by title."""
    films = plex.library.section("Movies").all()
    episodes = plex.library.section("TV Shows").searchEpisodes()
    return {
        "ratings": {film.title: film.userRating for film in films if film.userRating is not None},
        "films": sorted(film.title for film in films if film.isPlayed),
        "episodes": sorted(f"{one.grandparentTitle} {one.seasonEpisode}" for one in episodes if one.isPlayed),
    }


def cloud() -> dict[str, int]:
    """How many of each kind of thing the Scaleway stand-in has."""
    told: dict[str, int] = httpx.get(f"{SETTINGS.scaleway_url}/_sandbox/inventory", trust_env=False).json()
    return told


def instances() -> list[str]:
    """The ids of the servers that have a machine."""
    chosen = ("--filter", f"label={LABEL}=instance", "--format", '{{.Label "medialift.server"}}')
    return sorted(docker("ps", "--all", *chosen).split())


def nothing_is_rented() -> bool:
    """Whether the cloud has no server, disk or address, and no machine runs for one."""
    there = cloud()
    return not instances() and not any(there[kind] for kind in ("servers", "volumes", "block", "ips"))


def archives(folder: str = "") -> list[str]:
    """Keys below `plex/<folder>` of the archives' bucket."""
    pages = store.client().get_paginator("list_objects_v2")
    listed = pages.paginate(Bucket=ARCHIVE_BUCKET, Prefix=f"plex/{folder}")
    return [entry["Key"] for page in listed for entry in page.get("Contents", [])]


def leaked(folder: Path) -> list[str]:
    """Files below the folder that hold a secret, with what they hold."""
    found = []
    home = history.home_token()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        text = path.read_bytes().decode("utf-8", errors="replace")
        found += [f"{path.name}: {match.group()}" for match in SECRET.finditer(text)]
        if home and home in text:
            found.append(f"{path.name}: the token of home's Plex")
    return found


def logs(artifacts: Path, into: Path) -> Opened:
    """The logs of the machine that a burst brought to the controller, unpacked; they hold no secret."""
    [path] = (artifacts / "logs").glob("*.tar.zst")
    opened = Opened(path, into)
    assert leaked(into) == []
    return opened


def plex_tv(method: str, path: str, **more: Any) -> dict[str, Any]:
    """Ask the plex.tv stand-in, with the account's token."""
    reply = httpx.request(
        method,
        f"{SETTINGS.plex_tv_url}{path}",
        headers={"X-Plex-Token": history.ACCOUNT_TOKEN},
        trust_env=False,
        **more,
    )
    reply.raise_for_status()
    told: dict[str, Any] = reply.json()
    return told

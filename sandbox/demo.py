"""`make demo`: a whole burst in the sandbox, from nothing to an imported library and a report.

    python -m sandbox.demo            a delta burst: home's library goes up, grows, and comes home
    python -m sandbox.demo scratch    a scratch burst: a new library is made in the cloud

What a playbook prints goes to `artifacts/demo/ansible.log`; the terminal shows one line per step. VERBOSE=1
shows everything. Run again after an interruption, it continues or cleans up what was left.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sandbox import history, world

REPO = Path(__file__).resolve().parent.parent


class StepFailed(Exception):
    """A step of the demo failed; its message says where to read why."""


@dataclass
class Demo:
    """One run: its mode, where it writes, how many media files it makes."""

    mode: str
    artifacts: Path
    files: int
    console: Console
    started: float = field(default_factory=time.monotonic)

    @property
    def log(self) -> Path:
        return self.artifacts / "ansible.log"

    def step(self, name: str, act: Callable[[], object]) -> None:
        """Run one step and print its line: a tick or a cross, the seconds, the name."""
        begun = time.monotonic()
        try:
            with self.console.status(name) if self.console.is_terminal else _quiet():
                act()
        except Exception:
            self.console.print(f"[red]✗[/red] {time.monotonic() - begun:6.1f} s  {name}")
            raise
        self.console.print(f"[green]✓[/green] {time.monotonic() - begun:6.1f} s  {name}")

    def playbook(self, *names: str, extra: dict[str, object] | None = None) -> None:
        """Run playbooks against the sandbox's inventory.

        Raises:
            StepFailed: a playbook failed; the end of what it printed is in the message.
        """
        values = {
            "medialift_artifacts": str(self.artifacts),
            "plex_burst_mode": self.mode,
            **(extra or {}),
        }
        command = [
            str(REPO / ".venv/bin/ansible-playbook"),
            "-i",
            str(REPO / "inventories/sandbox"),
            *(str(REPO / "playbooks" / f"{name}.yml") for name in names),
            "--extra-vars",
            json.dumps(values),
        ]
        environment = {
            **os.environ,
            "PATH": f"{REPO / '.venv/bin'}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_CONFIG": str(REPO / "ansible.cfg"),
            "ANSIBLE_FORCE_COLOR": "0",
        }
        with self.log.open("a", encoding="utf-8") as log:
            begin = log.tell()
            process = subprocess.Popen(
                command,
                cwd=REPO,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    log.write(line)
                    log.flush()
                    if os.environ.get("VERBOSE") == "1":
                        print(line, end="", flush=True)
                code = process.wait()
            except BaseException:
                _end(process)
                raise
        if code != 0:
            with self.log.open(encoding="utf-8") as log:
                log.seek(begin)
                tail = log.read().splitlines()[-40:]
            raise StepFailed("\n".join([*tail, "", f"The whole log: {self.log}"]))


def _end(process: subprocess.Popen[str]) -> None:
    """End a playbook: it must not work on behind the back of a person who interrupted the demo."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=20)


class _quiet:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def run(demo: Demo) -> None:
    """The story: a home with a library, media that grows, a burst, and the way home."""
    scratch = demo.mode == "scratch"
    demo.step("sandbox: engine, images, registry, store, cloud and home are up", lambda: world.up())
    demo.step("home starts from nothing", world.reset)
    seeded = demo.files if scratch else demo.files * 2 // 3
    demo.step(f"media: {seeded} real files are in the store", lambda: world.media(seeded))
    demo.step("home: Docker, mount, runtime and Plex (plex_home.yml)", lambda: demo.playbook("plex_home"))
    if not scratch:
        demo.step("home: Plex scans its library, somebody watches and rates", history.make_home_library)
        demo.step(f"media: the library grew to {demo.files} files", lambda: world.media(demo.files))
        demo.step("export the reference (plex_export.yml)", lambda: demo.playbook("plex_export"))
    demo.step("burst in the cloud (plex_burst.yml)", lambda: demo.playbook("plex_burst"))
    demo.step("import at home (plex_import.yml)", lambda: demo.playbook("plex_import"))


def show(demo: Demo) -> None:
    """Print every section before and after, and where the report is."""
    report = json.loads((demo.artifacts / "report.json").read_text(encoding="utf-8"))
    table = Table(title=f"The library before and after ({demo.mode} burst)")
    for column in ("section", "type"):
        table.add_column(column)
    for column in ("before", "after", "newly deleted"):
        table.add_column(column, justify="right")
    for section in report["sections"]:
        table.add_row(
            section["name"],
            section["type"],
            str(section["items_before"]),
            str(section["items_after"]),
            str(section["newly_deleted"]),
        )
    demo.console.print(table)
    instance, archive, imported = report["instance"], report["archive"], report["import"]
    demo.console.print(
        f"instance {instance['id']}: destroyed {instance['destroyed']}, "
        f"{instance['seconds']:.0f} s, {instance['cost_eur']:.4f} EUR"
    )
    demo.console.print(
        f"archive: {archive['members']} members, {archive['bytes']} bytes, sha256 {archive['sha256']}"
    )
    demo.console.print(f"import: {imported['outcome']}, rolled back {imported['rolled_back']}")
    demo.console.print(f"report: {demo.artifacts / 'report.html'} and report.json")
    demo.console.print(f"outcome: {report['outcome']} after {time.monotonic() - demo.started:.0f} s")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make demo", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("mode", nargs="?", default="delta", choices=("delta", "scratch"))
    parser.add_argument("--files", type=int, default=60, help="media files to make (30 to 5000)")
    parser.add_argument("--artifacts", type=Path, default=REPO / "artifacts/demo")
    options = parser.parse_args()
    if not 30 <= options.files <= 5000:
        parser.error("--files must lie between 30 and 5000")

    shutil.rmtree(options.artifacts, ignore_errors=True)
    options.artifacts.mkdir(parents=True)
    demo = Demo(options.mode, options.artifacts, options.files, Console(highlight=False, soft_wrap=True))
    try:
        run(demo)
    except KeyboardInterrupt:
        demo.console.print(
            "[yellow]Interrupted. Run `make demo` again: it cleans up what this run left.[/yellow]"
        )
        return 130
    except Exception as failure:
        demo.console.print(f"{type(failure).__name__}: {failure}", markup=False)
        return 1
    show(demo)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The program `medialift`: its groups of commands, its options, and the one place where errors end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperGroup

import medialift
from medialift.cli.face import Face
from medialift.cli.session import Session, exit_code
from medialift.errors import MedialiftError

# Each is imported when it is called: the SDK of a cloud, or the driver of a database, takes longer than most
# commands run, and every worker of every unit starts here.
_MODULES = {
    **{name: name for name in ("plex", "mounts", "config", "job", "cloud", "store", "notify")},
    "doctor": "doctor",
    "support-bundle": "support",
    **{
        name: name for name in ("books", "audiobooks", "posters", "healing", "queue", "dashboard", "selftest")
    },
    "batch-debug": "batch_debug",
}


class Program(TyperGroup):
    """The outermost group: takes `--json` anywhere on the line, and turns errors into exit codes."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all groups and commands."""
        return [*super().list_commands(ctx), *_MODULES]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The group or command of a name."""
        if cmd_name not in _MODULES:
            return super().get_command(ctx, cmd_name)
        found = typer.main.get_command(import_module(f"medialift.cli.{_MODULES[cmd_name]}").app)
        found.name = cmd_name
        return found

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run the program and exit.

        Exit codes: 0 ok, 1 failed, 2 bad input, 3 refused to protect a library, 75 may work later.
        """
        given = list(sys.argv[1:] if args is None else args)
        ours, theirs = (
            (given[: given.index("--")], given[given.index("--") :]) if "--" in given else (given, [])
        )
        as_json = "--json" in ours
        line = [*(["--json"] if as_json else []), *(word for word in ours if word != "--json"), *theirs]
        try:
            return super().main(line, *rest, **extra)
        except MedialiftError as error:
            Face(as_json=as_json).error(error)
            sys.exit(exit_code(error))
        except KeyboardInterrupt:
            sys.exit(130)
        except BrokenPipeError:  # the reader (`| head`) has seen enough
            sys.stderr.close()
            sys.exit(0)


app = typer.Typer(
    cls=Program,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Lifts heavy work off a home media server. A run can fail, but it can never make a library worse.",
    epilog="Exit codes: 0 ok, 1 failed, 2 bad input, 3 refused to protect a library, 75 may work later.",
)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"medialift {medialift.__version__}\n")
        raise typer.Exit


@app.callback()
def start(
    context: typer.Context,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON. May stand anywhere.")
    ] = False,
    file: Annotated[
        Path | None, typer.Option("--config", help="Settings file, instead of /etc/medialift/medialift.toml.")
    ] = None,
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = Session(Face(as_json=as_json), file)

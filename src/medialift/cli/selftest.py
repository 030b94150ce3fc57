"""`medialift selftest`: whether this release does what it is there for, on samples that it ships with."""

from __future__ import annotations

import tempfile
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from medialift.cli import session
from medialift.cli.face import MARKS
from medialift.cli.session import BadInput
from medialift.foundation import selftesting
from medialift.foundation.selftesting import Check, Result

# The room of each pipeline's self-test, with its CHECKS; imported when it is asked for.
PIPELINES = {"books": "medialift.books.selftest", "audiobooks": "medialift.audiobooks.selftest"}

app = typer.Typer(add_completion=False)


@app.command()
def selftest(
    context: typer.Context,
    pipeline: Annotated[
        str | None, typer.Argument(help=f"One of: {', '.join(PIPELINES)}. Without, all.")
    ] = None,
) -> None:
    """Run a pipeline on built-in samples, in a scratch folder: no library, server or ledger is touched.

    Exit code 1 when a check fails.
    """
    run = session.of(context)
    if pipeline is not None and pipeline not in PIPELINES:
        raise BadInput(
            "There is no self-test of this pipeline", pipeline, f"There are: {', '.join(PIPELINES)}"
        )
    told: list[dict[str, Any]] = []
    for name in [pipeline] if pipeline else PIPELINES:
        checks: list[Check] = import_module(PIPELINES[name]).CHECKS
        with tempfile.TemporaryDirectory(prefix="medialift-selftest-") as scratch:
            for result in selftesting.run(checks, Path(scratch)):
                told.append({"pipeline": name, **result.to_dict()})
                if not run.face.as_json:
                    run.face.out.print(_line(name, result))
    ok = all(one["ok"] for one in told)
    run.face.result({"ok": ok, "checks": told}, lambda: None)
    raise typer.Exit(0 if ok else 1)


def _line(pipeline: str, result: Result) -> str:
    mark = MARKS["ok" if result.ok else "fail"]
    why = f": {escape(result.why)}" if result.why else ""
    return f"{mark} {pipeline}: {escape(result.name)} ({result.seconds:.1f} s){why}"

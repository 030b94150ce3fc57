"""`medialift config`: are the settings right, and where does each come from?"""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from medialift import settings
from medialift.cli import session

app = typer.Typer(no_args_is_help=True, help="The settings: are they right, and where does each come from?")


@app.command()
def check(context: typer.Context) -> None:
    """Read the settings and say what is wrong with them."""
    run = session.of(context)
    loaded = run.loaded
    warnings = []
    if not loaded.file_found:
        warnings.append(f"There is no {loaded.file}: defaults and the environment count")
    elif exposed := settings.exposure(loaded.file):
        warnings.append(f"{exposed}: chmod 600 {loaded.file}")
    values = {"file": str(loaded.file), "found": loaded.file_found, "warnings": warnings}

    def show() -> None:
        for warning in warnings:
            run.face.line(f"! {warning}")
        run.face.line(f"The settings are right ({loaded.file})")

    run.face.result(values, show)


@app.command()
def explain(context: typer.Context) -> None:
    """Print every setting: its value (secrets masked), where it came from, and what it is for."""
    run = session.of(context)
    explained = settings.explain(run.loaded)

    def show() -> None:
        run.face.table(
            ["setting", "value", "from", "what it is"],
            [(item.name, _shown(item.value), item.origin, item.documentation) for item in explained],
        )

    run.face.result([asdict(item) for item in explained], show)


@app.command()
def example(context: typer.Context) -> None:
    """Print a settings file with every setting at its default, explained and commented out."""
    lines = ["# Keep this file at mode 0600: it holds secrets.", "# Sizes and durations: '20 GB', '1h30m'."]
    for name, model in settings.sections():
        lines += ["", f"# {(model.__doc__ or '').strip()}", f"[{name}]"]
        for section, setting, field in settings.fields():
            if section == name:
                default = settings.plain(field.get_default(call_default_factory=True))
                default = (field.examples or [""])[0] if default is None else default
                lines += [
                    f"# {field.description}",
                    f"#{setting} = {json.dumps(default)}",
                ]
    text = "\n".join(lines) + "\n"
    session.of(context).face.result({"toml": text}, lambda: typer.echo(text, nl=False))


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)

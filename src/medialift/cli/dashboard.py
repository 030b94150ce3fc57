"""`medialift dashboard`: serve it, and say who may use it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Connection

from medialift import settings
from medialift.cli import session
from medialift.cli.session import BadInput, Session, user_input
from medialift.foundation import atomic
from medialift.foundation.units import parse_duration
from medialift.queueing.database import Database
from medialift.web import server
from medialift.web.access import people, tokens

app = typer.Typer(no_args_is_help=True, help="The dashboard: its pages, its API, and who may use them.")
person_app = typer.Typer(no_args_is_help=True, help="People who may log in.")
token_app = typer.Typer(no_args_is_help=True, help="Tokens, for programs that use the API.")
app.add_typer(person_app, name="person")
app.add_typer(token_app, name="token")

Name = Annotated[str, typer.Argument(help="Their name: letters, digits and . _ @ + -.")]
ScopeWord = Annotated[str, typer.Option("--scope", help="What they may do: read, act or admin.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="File whose first line is the password; -: standard input."),
]


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of dashboard.host.")] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Its port, instead of dashboard.port; 0: any free one."),
    ] = None,
) -> None:
    """Serve the dashboard until told to end: what the unit medialift-dashboard calls."""
    run = session.of(context)
    run.serve()
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    with user_input():
        chosen = settings.overriding(run.loaded, {"dashboard": given}, origin="the command line")
    server.run(chosen)


@person_app.command("add")
def add_person(
    context: typer.Context, name: Name, scope: ScopeWord = "read", password_file: PasswordFile = None
) -> None:
    """Let somebody log in. The password is asked for, or read from standard input or a file."""
    run = session.of(context)
    password = _password(password_file)
    with _ledger(run) as connection, user_input():
        person = people.add(connection, name, password, scope)
    run.face.result(person.to_dict(), lambda: run.face.line(f"{person.name} may log in ({person.scope})"))


@person_app.command("list")
def list_people(context: typer.Context) -> None:
    """Everybody who may log in, or is shut out."""
    run = session.of(context)
    with _ledger(run) as connection:
        found = people.listed(connection)
    run.face.result(
        [one.to_dict() for one in found],
        lambda: run.face.table(
            ["name", "scope", "state", "since"],
            [
                (one.name, one.scope, "disabled" if one.disabled else "", f"{one.created:%Y-%m-%d}")
                for one in found
            ],
        ),
    )


@person_app.command("password")
def set_password(context: typer.Context, name: Name, password_file: PasswordFile = None) -> None:
    """Give somebody another password. Whoever is logged in with the old one is logged out."""
    run = session.of(context)
    password = _password(password_file)
    with _ledger(run) as connection, user_input():
        people.set_password(connection, name, password)
    run.face.result({"changed": True}, lambda: run.face.line("the password is changed"))


@person_app.command("scope")
def set_scope(
    context: typer.Context, name: Name, scope: Annotated[str, typer.Argument(help="read, act or admin.")]
) -> None:
    """Let somebody do more or less, from their next click on."""
    run = session.of(context)
    with _ledger(run) as connection, user_input():
        changed = people.set_scope(connection, name, scope)
    run.face.result({"changed": changed}, lambda: run.face.line("done" if changed else "it was so already"))


@person_app.command("disable")
def disable_person(context: typer.Context, name: Name) -> None:
    """Shut somebody out at once, with their sessions and tokens."""
    _set_disabled(session.of(context), name, True)


@person_app.command("enable")
def enable_person(context: typer.Context, name: Name) -> None:
    """Let somebody in again whom `disable` shut out."""
    _set_disabled(session.of(context), name, False)


@person_app.command("remove")
def remove_person(context: typer.Context, name: Name) -> None:
    """Forget somebody, with their sessions and tokens. What they did stays in the audit."""
    run = session.of(context)
    with _ledger(run) as connection, user_input():
        people.remove(connection, name)
    run.face.result({"changed": True}, lambda: run.face.line("removed"))


@token_app.command("create")
def create_token(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is for: a name of the program that will use it.")],
    scope: Annotated[str, typer.Option("--scope", help="What it may do: read, act or admin.")] = "read",
    expires: Annotated[
        str, typer.Option("--expires", help="How long it is taken, such as 90d, or never.")
    ] = "365d",
    person: Annotated[
        str | None,
        typer.Option("--person", help="Whose it is: it can do no more than they, and ends with them."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Write it there, for its owner only, instead of showing it.")
    ] = None,
) -> None:
    """Make a token. It is told this once: only a hash of it is kept."""
    run = session.of(context)
    with user_input():
        seconds = None if expires == "never" else parse_duration(expires)
    with _ledger(run) as connection, user_input():
        secret, token = tokens.create(connection, name, scope, seconds=seconds, person=person)
        if file is not None:
            _keep(file, secret)
    told = token.to_dict() if file is not None else {**token.to_dict(), "token": secret}
    run.face.result(told, lambda: run.face.line(f"written to {file}" if file is not None else secret))


@token_app.command("list")
def list_tokens(context: typer.Context) -> None:
    """All tokens: what they may do, until when, and when they were used last."""
    run = session.of(context)
    with _ledger(run) as connection:
        found = tokens.listed(connection)
    run.face.result(
        [one.to_dict() for one in found],
        lambda: run.face.table(
            ["name", "scope", "of", "until", "used"],
            [
                (
                    one.name,
                    one.scope,
                    one.person or "",
                    "expired" if one.expired else f"{one.expires:%Y-%m-%d}" if one.expires else "always",
                    f"{one.used:%Y-%m-%d %H:%M}" if one.used else "never",
                )
                for one in found
            ],
        ),
    )


@token_app.command("revoke")
def revoke_token(context: typer.Context, name: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Take a token no more, from the next request on."""
    run = session.of(context)
    with _ledger(run) as connection, user_input():
        tokens.revoke(connection, name)
    run.face.result({"changed": True}, lambda: run.face.line("revoked"))


def _set_disabled(run: Session, name: str, disabled: bool) -> None:
    with _ledger(run) as connection, user_input():
        changed = people.set_disabled(connection, name, disabled)
    run.face.result({"changed": changed}, lambda: run.face.line("done" if changed else "it was so already"))


def _password(file: Path | None) -> str:
    """Never from the command line, which everybody on the host can read."""
    if file is None and sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    try:
        text = sys.stdin.readline() if file is None or file == Path("-") else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("The password cannot be read", str(file or "standard input"), str(error)) from error
    password = next(iter(text.splitlines()), "")
    if not password:
        raise BadInput("There is no password", str(file or "standard input"), "Give it as the first line")
    return password


def _keep(file: Path, secret: str) -> None:
    try:
        atomic.write_bytes(file, f"{secret}\n".encode(), mode=0o600)
    except OSError as error:
        raise BadInput("The token cannot be written", str(file), f"{error.strerror}") from error


@contextmanager
def _ledger(run: Session) -> Iterator[Connection]:
    with Database.open(run.settings.database) as database:
        database.check()
        with database.transaction() as connection:
            yield connection

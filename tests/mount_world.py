"""Real rclone mounts: of a folder, of a bucket of an S3 store, and of a web store that one can break."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

from medialift.foundation.waiting import wait_until
from medialift.mounts import mountinfo
from tests.store_world import StoreWorld

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
                *self.flags(),
                # The reader itself waits inside the kernel, as it does when a store stops answering: a
                # read-ahead by the kernel would wait in its place.
                "--async-read=false",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert wait_until(self.mounted, at_most=20, every=0.05)

    def flags(self) -> list[str]:
        return [
            *["--config", os.devnull, "--vfs-cache-mode", "off", "--dir-cache-time", "1h"],
            *["--timeout", "60s", "--low-level-retries", "1", "--buffer-size", "0"],
        ]

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


class S3Mount(RealMount):
    """A mount of a bucket of a `StoreWorld`, as the role makes one, but with little patience.

    Args:
        folder: of its own: holds the mountpoint `mounted`, the cache and rclone's configuration.
        prefix: of the bucket; what is put and mounted is below it.
        cache: --vfs-cache-mode: off, minimal, writes, full.
        chunk: --vfs-read-chunk-size.
        more: further flags of rclone's.
        endpoint: of the store; its proxy, unless told otherwise.
    """

    def __init__(
        self,
        folder: Path,
        store: StoreWorld,
        *,
        prefix: str = "",
        cache: str = "off",
        chunk: str = "128k",
        more: Sequence[str] = (),
        endpoint: str = "",
        place: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder, place=place)
        self.store, self.prefix = store, prefix.strip("/")
        self.name = "/".join(["store:" + store.bucket, *filter(None, [self.prefix])])
        self.config = folder / "rclone.conf"
        told = {
            "type": "s3",
            "provider": "Other",
            "endpoint": endpoint or store.store.endpoint,
            "region": store.store.region,
            "access_key_id": store.store.access_key,
            "secret_access_key": store.store.secret_key,
            "force_path_style": "true",
            "no_check_bucket": "true",
        }
        self.config.write_text("[store]\n" + "".join(f"{name} = {told[name]}\n" for name in told))
        self.config.chmod(0o600)
        self.options = [
            *["--config", str(self.config), "--cache-dir", str(folder / "cache")],
            *["--vfs-cache-mode", cache, "--vfs-read-chunk-size", chunk],
            *["--vfs-read-chunk-size-limit", "off", "--buffer-size", "0", "--use-server-modtime"],
            *["--dir-cache-time", "1h", "--poll-interval", "0"],
            *["--timeout", "2s", "--contimeout", "1s", "--low-level-retries", "1", *more],
        ]

    def fill(self, *names: str, size: int = 300_000) -> list[str]:
        """Put objects into the store, whatever rclone remembers of it; their paths as seen on the mount."""
        for name in names:
            key = "/".join(filter(None, [self.prefix, name]))
            self.store.store.client.put_object(Bucket=self.store.bucket, Key=key, Body=os.urandom(size))
        return [str(self.place / name) for name in names]

    def flags(self) -> list[str]:
        return self.options

    def remote(self) -> list[str]:
        return [self.name]


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

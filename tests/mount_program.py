"""A mount of `tests.mount_world` as the program that a recovery takes down and brings back."""

from __future__ import annotations

from tests.mount_world import RealMount


class MountProcess:
    """rclone as a child of this process, in place of a unit of systemd."""

    def __init__(self, mount: RealMount) -> None:
        self.mount, self.starts = mount, 0

    def pids(self) -> list[int]:
        rclone = self.mount.rclone
        return [rclone.pid] if rclone is not None and rclone.poll() is None else []

    def stop(self) -> None:
        if self.pids():
            assert self.mount.rclone is not None
            self.mount.rclone.terminate()

    def start(self) -> None:
        self.starts += 1
        self.mount.up()

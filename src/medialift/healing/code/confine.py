"""Runs a program that must not do anything: a script of its own, with the standard library alone.

    python confine.py '{"scratch": …, "argv": […], …}'

It is started by `unshare` as root in namespaces of its own for mounts, network, processes and the like. It
makes everything read-only but one empty folder in memory, hides what is in /run, gives the program a network
that goes nowhere, sets its limits, and becomes it as a user who owns nothing and can become nobody else.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import resource
import socket
import struct
import sys
from typing import Any

READY = "confined"
"""The first line on the standard error when the sandbox is made; what fails from then on is the program."""
_REC, _PRIVATE, _NOSUID, _NODEV, _NOEXEC = 0x4000, 0x40000, 2, 4, 8
_AT_FDCWD, _AT_RECURSIVE, _RDONLY = -100, 0x8000, 1
_MOUNT_SETATTR = 442  # the same on all of Linux' architectures
_SIOCSIFFLAGS, _UP_AND_RUNNING = 0x8914, 0x41
_KERNEL = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user_namespace")]


def main(given: dict[str, Any]) -> None:
    """Confine this process and become the program."""
    _mount(None, "/", None, _REC | _PRIVATE, "")
    _set_attributes("/", _MountAttributes(set=_RDONLY), _AT_RECURSIVE)
    _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC, "")
    _mount("tmpfs", "/run", "tmpfs", _NOSUID | _NODEV | _NOEXEC, "size=64k,mode=755")
    owner = f"uid={given['user']},gid={given['group']}"
    size = f"size={given['disk']},mode=700,{owner}"
    _mount("tmpfs", given["scratch"], "tmpfs", _NOSUID | _NODEV | _NOEXEC, size)
    _loopback_up()
    _limit(given)
    os.chdir(given["scratch"])
    sys.stderr.write(f"{READY}\n")
    sys.stderr.flush()
    words = [
        *("setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--clear-groups"),
        *(f"--reuid={given['user']}", f"--regid={given['group']}", "--", *given["argv"]),
    ]
    os.execvpe(words[0], words, given["environment"])  # noqa: S606  no shell is meant


def _limit(given: dict[str, Any]) -> None:
    for what, most in (
        (resource.RLIMIT_CPU, given["cpu_seconds"]),
        (resource.RLIMIT_AS, given["memory"]),
        (resource.RLIMIT_FSIZE, given["disk"]),
        (resource.RLIMIT_NPROC, given["processes"]),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str) -> None:
    words = [None if word is None else word.encode() for word in (source, target, kind)]
    _checked(_KERNEL.mount(*words, ctypes.c_ulong(flags), data.encode()), f"mount {target}")


def _set_attributes(target: str, attributes: _MountAttributes, flags: int) -> None:
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    done = _KERNEL.syscall(_MOUNT_SETATTR, _AT_FDCWD, target.encode(), flags, ctypes.byref(attributes), size)
    _checked(done, f"mount_setattr {target}")


def _loopback_up() -> None:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _UP_AND_RUNNING))


def _checked(done: int, what: str) -> None:
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

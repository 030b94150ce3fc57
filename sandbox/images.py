"""The sandbox's images: made from debootstrap alone, and made again only when what they are made of changed.

An image's label `medialift.inputs` is a digest of its build folder, its build arguments, the authorities
of this machine and its parent's own digest. The images behind production names are pushed to the registry,
from where the machines' engines pull them; they carry `medialift.sandbox=plex`, so that a pull which fell
through to Docker Hub is noticed by its missing label.

An image is built from `sandbox/images/<folder>/` and from the folders of the checkout that it names:
those keep their path from the checkout in the build context (`COPY sandbox/plex /…`).
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from medialift.errors import Permanent

from .authorities import local_authorities
from .docker import docker, inspect
from .registry import holds, push_name
from .settings import AUDIOBOOKS_BASE_IMAGE, BASE_IMAGE, CLOUD_IMAGE, LABEL, MACHINE_IMAGE, Settings

INPUTS = "medialift.inputs"
ROOTFS = "medialift/rootfs:12"
SUITE = "bookworm"
INCLUDED = "ca-certificates,python3"
# In memory, because dpkg flushes every file, and in a mount namespace of its own, so that an interruption
# leaves nothing mounted. Its output is the root file system as a tar stream.
_DEBOOTSTRAP = f"""
mount -t tmpfs -o mode=0755 rootfs "$1"
debootstrap --variant=minbase --include={INCLUDED} --cache-dir="$2" {SUITE} "$1" >&2
rm -rf "$1/var/cache/apt/archives"
tar --directory "$1" --create --exclude='./dev/*' .
"""


@dataclass(frozen=True)
class Image:
    """One image.

    Args:
        name: its name in the host's engine.
        folder: under sandbox/images: its Containerfile and the files beside it.
        parent: the image that its Containerfile starts from.
        arguments: build arguments.
        sources: folders and files of the checkout that are part of the build context.
        published: further names, under which it is pushed to the registry.
        stands_for: the value of the label `medialift.sandbox`; none when empty.
    """

    name: str
    folder: str
    parent: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    stands_for: str = ""


def _plex(settings: Settings, version: str, triggers: str, *published: str) -> Image:
    return Image(
        name=f"medialift/plex:{version}",
        folder="plex",
        parent=BASE_IMAGE,
        arguments={"PLEX_VERSION": version, "TRIGGERS": triggers, "PLEX_TV": settings.plex_tv_url},
        sources=("sandbox/plex",),
        published=published,
        stands_for="plex",
    )


def table(settings: Settings) -> tuple[Image, ...]:
    """Every image of the sandbox; a parent stands before its children."""
    newer, older = "1.43.4.10903-2f8b9b1b5", "1.41.6.9685-d301f511a"
    return (
        Image(name=BASE_IMAGE, folder="base", parent=ROOTFS),
        Image(name=MACHINE_IMAGE, folder="machine", parent=BASE_IMAGE),
        _plex(settings, newer, "new", f"plexinc/pms-docker:{newer}", f"linuxserver/plex:{newer}-ls301"),
        _plex(settings, older, "old", f"plexinc/pms-docker:{older}"),
        Image(name=CLOUD_IMAGE, folder="cloud", parent=MACHINE_IMAGE),
        Image(
            name="medialift/mybookshelf:0.4.1",
            folder="mybookshelf",
            parent=BASE_IMAGE,
            sources=("sandbox/mybookshelf", "sandbox/ports.py"),
            published=("izderadicka/mybookshelf2-app:0.4.1", "izderadicka/mybookshelf2-backend:0.4.1"),
            stands_for="mybookshelf2",
        ),
        Image(
            name=AUDIOBOOKS_BASE_IMAGE,
            folder="audiobooks",
            parent=BASE_IMAGE,
            arguments={"PACKAGE_INDEX": settings.package_index_url, "PACKAGE_HOST": settings.gateway},
        ),
        # Names without a user are the registry's own library's.
        Image(
            name="medialift/postgres:15",
            folder="postgres",
            parent=BASE_IMAGE,
            published=("library/postgres:14.20",),
            stands_for="postgres",
        ),
    )


Say = Callable[[str], None]


def build(settings: Settings, say: Say) -> None:
    """Build what is missing or changed, and push what has production names. Needs engine and registry.

    Raises:
        Permanent: debootstrap or Docker failed; what they printed last is in the message.
    """
    work = settings.state / "build"
    shutil.rmtree(work, ignore_errors=True)  # what a killed build left
    work.mkdir(parents=True)
    authorities = local_authorities()
    images = table(settings)
    digests = {ROOTFS: _rootfs_digest()}
    for image in images:
        digests[image.name] = _digest(image, digests[image.parent], authorities, settings.root)
    _rootfs(settings, digests[ROOTFS], say, needed=any(_inputs(i.name) != digests[i.name] for i in images))

    # Two builds at a time: one waits for the network while another unpacks.
    with ThreadPoolExecutor(max_workers=2) as pool:
        running: dict[str, Future[None]] = {}
        for image in images:  # a parent stands before its children, so no build waits for one not submitted
            parent = running.get(image.parent)
            running[image.name] = pool.submit(
                _build_one, image, digests[image.name], parent, authorities, settings, say
            )
        for future in running.values():
            future.result()


def _build_one(
    image: Image,
    digest: str,
    parent: Future[None] | None,
    authorities: Mapping[str, bytes],
    settings: Settings,
    say: Say,
) -> None:
    if parent is not None:
        parent.result()
    if _inputs(image.name) != digest:
        began = time.monotonic()
        labels = {INPUTS: digest} | ({LABEL: image.stands_for} if image.stands_for else {})
        with tempfile.TemporaryDirectory(dir=settings.state / "build") as folder:
            _write_context(image, Path(folder), authorities, settings.root)
            docker(
                *("build", "--quiet", "--tag", image.name, "--file", f"{folder}/Containerfile"),
                *(
                    part
                    for key, value in image.arguments.items()
                    for part in ("--build-arg", f"{key}={value}")
                ),
                *(part for key, value in labels.items() for part in ("--label", f"{key}={value}")),
                folder,
                timeout=900,
            )
        say(f"image {image.name} built ({time.monotonic() - began:.0f} s)")
    for name in image.published:
        _publish(image.name, name, say)


def _publish(local: str, name: str, say: Say) -> None:
    found = inspect("image", local)
    if found is None:
        raise Permanent("The image that was just built is gone", local, "Run python -m sandbox images again")
    if holds(name, found["Id"]):
        return
    began = time.monotonic()
    docker("tag", local, push_name(name))
    docker("push", "--quiet", push_name(name), timeout=600)
    say(f"image {name} pushed to the registry ({time.monotonic() - began:.0f} s)")


def _inputs(name: str) -> str | None:
    found = inspect("image", name)
    return None if found is None else (found["Config"]["Labels"] or {}).get(INPUTS)


def _rootfs_digest() -> str:
    return hashlib.sha256(f"{SUITE} {INCLUDED}".encode()).hexdigest()


def _rootfs(settings: Settings, digest: str, say: Say, *, needed: bool) -> None:
    """Import Debian as debootstrap makes it; `needed` is False when every image above it is there already."""
    if not needed or _inputs(ROOTFS) == digest:
        return
    began = time.monotonic()
    packages = settings.state / "debootstrap"
    packages.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.state / "build") as folder:
        made = subprocess.Popen(
            [
                "unshare",
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-euc",
                _DEBOOTSTRAP,
                "sh",
                folder,
                packages,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert made.stdout is not None and made.stderr is not None
        with ThreadPoolExecutor(max_workers=1) as reader:
            said = reader.submit(made.stderr.read)
            docker(
                "import", "--change", f"LABEL {INPUTS}={digest}", "-", ROOTFS, stdin=made.stdout, timeout=900
            )
            tail = said.result().decode(errors="replace")[-1500:].strip()
        if made.wait() != 0:
            docker("image", "rm", ROOTFS)  # made of half a stream
            raise Permanent(
                f"debootstrap failed ({tail})",
                SUITE,
                "Is this machine connected, and is sandbox/setup done?",
            )
    say(f"image {ROOTFS} made by debootstrap ({time.monotonic() - began:.0f} s)")


def _context(
    image: Image, authorities: Mapping[str, bytes], root: Path
) -> Iterator[tuple[str, Path | bytes]]:
    """Every file of the build context, in a fixed order: its name there, and its content."""
    own = root / "sandbox/images" / image.folder
    for base, place in [(own, own), *((root, root / source) for source in image.sources)]:
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(base).as_posix(), path
    if image.folder == "base":
        for name, content in authorities.items():
            yield f"authorities/{name}", content


def _digest(image: Image, parent: str, authorities: Mapping[str, bytes], root: Path) -> str:
    digest = hashlib.sha256(parent.encode())
    digest.update(repr((image.name, sorted(image.arguments.items()), image.stands_for)).encode())
    for name, content in _context(image, authorities, root):
        body = content if isinstance(content, bytes) else content.read_bytes()
        mode = "" if isinstance(content, bytes) else oct(content.stat().st_mode & 0o111)
        digest.update(f"\0{name}\0{mode}\0{hashlib.sha256(body).hexdigest()}".encode())
    return digest.hexdigest()


def _write_context(image: Image, into: Path, authorities: Mapping[str, bytes], root: Path) -> None:
    (into / "authorities").mkdir()  # COPY needs it, even on a machine with no authority of its own
    for name, content in _context(image, authorities, root):
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            shutil.copy(content, target)

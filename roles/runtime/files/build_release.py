"""Build the wheel of a checkout once, under a version that says what is in it. Runs on the controller.

Prints {"version": "0.1.0+3f2a…", "wheel": path, "built": bool}. The version ends in a hash of everything
that a release is made of: the sources, pyproject.toml and the locks of the dependencies. So the same checkout
is the same release wherever it is built, and a changed one is another.

The scripts that the dashboard takes from npm are in the wheel and not in the hash: their lock file is.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

LOCK = "requirements/runtime.txt"
SHORT_HASH = 12
FRONTEND = "src/medialift/web/frontend"
VENDOR = "src/medialift/web/static/vendor"


def sources(checkout: Path) -> list[Path]:
    """The files that a release is made of, in a fixed order, without caches and editor droppings."""
    package = (path for path in (checkout / "src" / "medialift").rglob("*") if path.is_file())
    # Also what a build under way has not moved to its place yet.
    fetched = (str(checkout / VENDOR), str(checkout / FRONTEND / "node_modules"))
    kept = [
        path
        for path in package
        if "__pycache__" not in path.parts
        and not path.name.endswith(("~", ".swp"))
        and not str(path).startswith(fetched)
    ]
    return [checkout / "pyproject.toml", checkout / LOCK, *sorted(kept)]


def release_version(checkout: Path) -> str:
    """`<version of the project>+<hash of the sources>`, a local version as PEP 440 has them."""
    digest = hashlib.sha256()
    for path in sources(checkout):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(checkout).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    project = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"{project['version']}+{digest.hexdigest()[:SHORT_HASH]}"


def vendor(checkout: Path) -> list[Path]:
    """What the dashboard takes from npm, fetched unless it is there: nothing but a release's files of it."""
    script = checkout / FRONTEND / "build"
    if not script.exists():  # a release from before the dashboard
        return []
    done = subprocess.run([str(script)], stdout=sys.stderr, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"The dashboard's scripts could not be fetched from npm. {done.stderr.strip()}")
    return sorted(path for path in (checkout / VENDOR).rglob("*") if path.is_file())


def build(checkout: Path, version: str, into: Path) -> Path:
    """Build the wheel in a copy of the sources, so that the checkout stays clean, and move it `into`."""
    fetched = vendor(checkout)
    with tempfile.TemporaryDirectory() as scratch:
        copy, wheels = Path(scratch, "sources"), Path(scratch, "wheels")
        for path in [*sources(checkout), *fetched, checkout / "README.md"]:
            if path.exists():
                target = copy / path.relative_to(checkout)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        described = copy / "pyproject.toml"
        text = described.read_text(encoding="utf-8")
        described.write_text(
            re.sub(r'^version = ".*"$', f'version = "{version}"', text, count=1, flags=re.MULTILINE),
            encoding="utf-8",
        )
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--disable-pip-version-check", "--no-input", "--no-deps",
             "--quiet", "--wheel-dir", str(wheels), str(copy)],
            check=True,
            stdout=sys.stderr,
        )  # fmt: skip
        (wheel,) = wheels.glob("*.whl")
        into.mkdir(parents=True, exist_ok=True)
        whole = into / (wheel.name + ".part")
        shutil.copyfile(wheel, whole)
        return whole.rename(into / wheel.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("folder", type=Path, help="where wheels are kept")
    parser.add_argument("--predict", action="store_true", help="only say what would be built")
    options = parser.parse_args()
    version = release_version(options.checkout)
    wheel = options.folder / f"medialift-{version}-py3-none-any.whl"
    built = not wheel.exists()
    if built and not options.predict:
        options.folder.mkdir(parents=True, exist_ok=True)
        # Several hosts ask at once: the first builds, the others find it built.
        with (options.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            built = not wheel.exists()
            if built:
                wheel = build(options.checkout, version, options.folder)
    print(json.dumps({"version": version, "wheel": str(wheel), "built": built}))


if __name__ == "__main__":
    main()

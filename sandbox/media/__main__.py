"""`python -m sandbox.media --files N [--seed S] [--start N] FOLDER` makes a library in a folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from sandbox.media.maker import make


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.media")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0)
    options = parser.parse_args()
    made = make(options.folder, files=options.files, seed=options.seed, start=options.start)
    print(f"{made.files} files and {made.companions} companions, {made.bytes} bytes, {made.seconds:.1f} s")


if __name__ == "__main__":
    main()

"""Fill an inbox with spoken books: `python -m sandbox.audiobooks FOLDER [--kind cbr …] [--local]`."""

from __future__ import annotations

import argparse
from pathlib import Path

from sandbox.audiobooks.shelf import KINDS, stock

parser = argparse.ArgumentParser(prog="python -m sandbox.audiobooks", description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("--kind", action="append", choices=KINDS, help="only these; may be given again")
parser.add_argument("--local", action="store_true", help="with a metadata.yml beside each book")
options = parser.parse_args()
for volume in stock(options.folder, options.kind or KINDS, local=options.local):
    print(f"{volume.kind:<10} {volume.folder}")

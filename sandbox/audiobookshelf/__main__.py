"""`python -m sandbox.audiobookshelf --port 13378 --library main=/srv/library`: serve until a signal comes."""

from __future__ import annotations

import argparse
from pathlib import Path

from sandbox.audiobookshelf.server import Audiobookshelf
from sandbox.bookservers import serve_until_told


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.audiobookshelf", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=13378)
    parser.add_argument("--library", action="append", default=[], metavar="ID=FOLDER")
    options = parser.parse_args()
    libraries = {name: Path(folder) for name, _, folder in (one.partition("=") for one in options.library)}
    serve_until_told(Audiobookshelf(libraries), options.host, options.port)


if __name__ == "__main__":
    main()

"""`python -m sandbox.jellyfin --port 8096 --library /srv/library`: serve until a signal comes."""

from __future__ import annotations

import argparse
from pathlib import Path

from sandbox.bookservers import serve_until_told
from sandbox.jellyfin.server import Jellyfin


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.jellyfin", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8096)
    parser.add_argument("--library", type=Path, required=True)
    options = parser.parse_args()
    serve_until_told(Jellyfin(options.library), options.host, options.port)


if __name__ == "__main__":
    main()

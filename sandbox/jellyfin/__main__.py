"""`python -m sandbox.jellyfin --port 8096 --library /srv/library`: serve until a signal comes.

With `--movies 200` it has libraries with pictures instead of a folder of audiobooks.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sandbox.bookservers import serve_until_told
from sandbox.jellyfin.media import Media
from sandbox.jellyfin.server import Jellyfin


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.jellyfin", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8096)
    parser.add_argument("--library", type=Path)
    parser.add_argument("--movies", type=int, default=0)
    parser.add_argument("--legacy", action="store_true", help="take the older headers too")
    options = parser.parse_args()
    media = Media().filled(options.movies) if options.movies else None
    server = Jellyfin(options.library, media=media, legacy=options.legacy)
    serve_until_told(server, options.host, options.port)


if __name__ == "__main__":
    main()

"""`python -m sandbox`: the sandbox's command line."""

from __future__ import annotations

import argparse
import sys

from medialift.errors import MedialiftError

from . import books, home, world
from .settings import DEMO_FILES, MEDIA_BUCKET, Settings


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="The sandbox, from nothing to nothing."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="have everything; does only what is missing")
    up.add_argument("--no-home", action="store_true", help="leave the home server out")
    commands.add_parser("down", help="remove machines and services; keep images and packages")
    commands.add_parser("clean", help="down, and remove images and packages too")
    commands.add_parser("reset", help="an empty store, no instance, a new home server")
    commands.add_parser("status", help="show what there is")
    commands.add_parser("images", help="build and push the images that are missing or changed")
    media = commands.add_parser("media", help="have exactly so many real media files in the store")
    media.add_argument("--files", type=int, default=DEMO_FILES)
    media.add_argument("--seed", type=int, default=1)
    media.add_argument("--bucket", default=MEDIA_BUCKET)
    house = commands.add_parser("home", help="the home server")
    house.add_argument("action", choices=("start", "reset"))
    shelf = commands.add_parser("books", help="the machines of the books")
    shelf.add_argument("action", choices=("start", "stop", "reset"))
    options = parser.parse_args()
    try:
        _do(options, Settings.load())
    except MedialiftError as fault:
        print(fault, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    return 0


def _do(options: argparse.Namespace, settings: Settings) -> None:
    match options.command:
        case "up":
            world.up(settings, with_home=not options.no_home)
        case "down":
            world.down(settings)
        case "clean":
            world.clean(settings)
        case "reset":
            world.reset(settings)
        case "status":
            for title, lines in world.status(settings).items():
                print(title)
                for line in lines:
                    print(f"  {line}")
        case "images":
            world.build_images(settings)
        case "media":
            world.media(options.files, seed=options.seed, bucket=options.bucket)
        case "home":
            (home.reset if options.action == "reset" else home.start)(settings)
        case "books":
            {"start": books.start, "stop": books.stop, "reset": books.reset}[options.action](settings)


sys.exit(main())

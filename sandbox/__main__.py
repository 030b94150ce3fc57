"""`python -m sandbox`: the sandbox's command line."""

from __future__ import annotations

import argparse
import sys

from medialift.errors import MedialiftError

from . import engine, home, images, network, registry, services, world
from .settings import Settings


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
    house = commands.add_parser("home", help="the home server")
    house.add_argument("action", choices=("start", "reset"))
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
            engine.start(settings)
            network.ensure(settings)
            for service in registry.services(settings):
                services.start(service, settings)
            images.build(settings, print)
        case "home":
            (home.reset if options.action == "reset" else home.start)(settings)


sys.exit(main())

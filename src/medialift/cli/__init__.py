"""The command line: each command is a few lines over a pipeline."""


def main() -> None:
    """Entry point of `medialift`."""
    from medialift.cli.app import app

    app()

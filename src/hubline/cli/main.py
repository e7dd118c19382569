"""The entry point of the command `hubline`. It imports the packages of the extra, and reports one that is missing."""

import sys

from hubline._extras import missing


def app() -> None:
    """Run the command line and exit."""
    try:
        from hubline.cli.commands import commands
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("hubline"):
            raise
        sys.exit(f"hubline: {missing(error, 'server')}")
    commands()


if __name__ == "__main__":
    app()

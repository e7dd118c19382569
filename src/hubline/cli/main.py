"""The entry point of the command `hubline`. It imports the packages of the extra, and reports one that is missing."""

import sys


def app() -> None:
    """Run the command line and exit."""
    try:
        from hubline.cli.commands import commands
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("hubline"):
            raise
        sys.exit(f"hubline: the package {error.name!r} is missing; install the extra `hubline[server]`")
    commands()


if __name__ == "__main__":
    app()

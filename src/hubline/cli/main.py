"""Entry point of the command `hubline`. The packages it needs are an extra, so they are looked for only here."""

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

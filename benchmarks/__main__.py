"""`python -m benchmarks`: measure, or draw what was measured."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from benchmarks import page, paper, peers, report, results, run
from benchmarks.machine import ROOT
from benchmarks.rows import catalogue
from benchmarks.settings import QUICK, WHOLE
from hubline.errors import ConfigurationError

RESULTS = ROOT / "benchmarks" / "results"
WHOLE_RESULT = RESULTS / "whole.json"

commands = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
console = Console(highlight=False, width=None if sys.stdout.isatty() else 130)


@commands.command()
def measure(
    quick: Annotated[
        bool, typer.Option("--quick", help="Four minutes, fewer peers and rows, for a first look.")
    ] = False,
    rounds: Annotated[int | None, typer.Option(help="The number of rounds.", min=1)] = None,
    peer: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    row: Annotated[list[str] | None, typer.Option(help="Only this one; may be repeated.")] = None,
    checkout: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="Hubline in another checkout beside the others; may be repeated."),
    ] = None,
    servers: Annotated[
        bool,
        typer.Option("--servers", help="The rows of several servers with a backplane, of Hubline and ASP.NET Core."),
    ] = False,
    merge: Annotated[
        bool,
        typer.Option("--merge", help="Put these rows in place of those of the last whole run, and write the page."),
    ] = False,
    output: Annotated[Path | None, typer.Option(help="Where the result goes. [benchmarks/results/]")] = None,
) -> None:
    """Measure. A whole run, of all peers and rows, also writes the figures of docs/benchmarks.md."""
    if sys.platform != "linux":
        raise typer.BadParameter("it needs Linux: the use of CPU and memory is read from /proc")
    if merge and (quick or checkout):
        raise typer.BadParameter("--merge is for rows that were measured as a whole run does, of this checkout")
    settings = QUICK if quick else WHOLE
    if rounds is not None:
        settings = settings.with_rounds(rounds)
    try:
        chosen = peers.named(peer or (peers.SERVERS if servers else peers.QUICK if quick else ()))
        chosen += _checkouts(checkout or [])
        row = [*(row or ()), *(catalogue.SERVERS if servers else ())]
        rows = catalogue.named(row or (catalogue.QUICK if quick else ()))
    except KeyError as error:
        known = ", ".join([each.key for each in peers.PEERS] + [each.key for each in catalogue.ROWS])
        raise typer.BadParameter(f"there is no {error}; there are {known}") from None
    started = time.monotonic()
    try:
        result = uvloop.run(run.run(settings, chosen, rows, lambda text: console.print(text, style="dim")))
    except ConfigurationError as error:
        raise typer.BadParameter("; ".join(error.problems)) from None
    whole = not (quick or peer or row or checkout)
    if merge:
        result = results.load(WHOLE_RESULT).with_rows(result, rows)
    path = output or (WHOLE_RESULT if whole or merge else RESULTS / "quick.json")
    result.save(path)
    result = results.load(path)  # the page says what the file says, which is rounded
    report.show(result, console, rows)
    console.print(f"{time.monotonic() - started:.0f} seconds; everything is in {path}")
    if (whole or merge) and output is None:
        page.write(result)
        console.print(f"The figures and charts of {page.PAGE} were written again.")


def _checkouts(texts: list[str]) -> list[peers.Peer]:
    paths: dict[str, Path] = {}
    for text in texts:
        name, _, path = text.partition("=")
        if not (name and path) or name in paths:
            raise typer.BadParameter(f"--checkout {text}: write NAME=PATH, each with a name of its own")
        paths[name] = Path(path)
    try:
        return [peers.checkout(name, path) for name, path in paths.items()]
    except ValueError as error:
        raise typer.BadParameter(f"--checkout: {error}") from None


@commands.command()
def draw(
    result: Annotated[Path, typer.Argument(help="A result file.")] = WHOLE_RESULT,
) -> None:
    """Write the figures and charts of docs/benchmarks.md again from a result, without a measurement."""
    page.write(results.load(result))


@commands.command()
def plan(
    result: Annotated[Path, typer.Argument(help="A result file.")] = WHOLE_RESULT,
    connections: Annotated[int, typer.Option(help="How many.", min=1)] = paper.CONNECTIONS,
    price: Annotated[float, typer.Option(help="The price of an hour of a core, in dollars.", min=0)] = paper.PRICE,
) -> None:
    """Print the resources for this number of connections, as in docs/decisions/one-million-connections.md."""
    console.print(paper.figures(results.load(result), connections, price) or "a row is missing", soft_wrap=True)


@commands.command()
def show(result: Annotated[Path, typer.Argument(help="A result file.")] = WHOLE_RESULT) -> None:
    """Print the tables of a result."""
    report.show(results.load(result), console)


if __name__ == "__main__":
    commands()

"""Prints the problems of a command."""

import math
from pathlib import Path
from typing import NoReturn

import typer
from rich.console import Console
from rich.text import Text

_console = Console(stderr=True, highlight=False)


def finite(seconds: float) -> float:
    """For options that are numbers: `nan` and `inf` are numbers for Python, and smaller than no minimum."""
    if not math.isfinite(seconds):
        raise typer.BadParameter(f"{seconds} is not a finite number.")
    return seconds


def fail(*problems: str) -> NoReturn:
    """Print each problem on a line of its own and end with status 1."""
    for problem in problems:
        _console.print("[bold red]error:[/bold red]", Text(problem), soft_wrap=True)
    raise typer.Exit(1)


def write(path: Path, text: str) -> None:
    """Write a file, or end with the reason."""
    try:
        path.write_text(text, "utf-8", newline="\n")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")

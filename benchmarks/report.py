"""A result as tables: Markdown for the page, Rich for the terminal."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.results import OURS, Result
from benchmarks.rows.catalogue import ROWS
from benchmarks.rows.row import Row

AT_LEAST = "≥ "
"""Precedes a figure that the client limited."""

RATIOS = ("Hubline is", "of its best", "by µs")
"""How many times better Hubline is: in the first column, in that beside the peer's best round, in CPU for the same."""


def tables(result: Result, rows: Sequence[Row] = ROWS) -> Iterator[tuple[Row, list[str], list[list[str]]]]:
    """Each of these rows that was measured, with the heads and lines of its table."""
    for row in rows:
        if result.measured(row.key):
            heads, lines = _curve(result, row) if row.curve else _figures(result, row)
            yield row, heads, lines


def _figures(result: Result, row: Row) -> tuple[list[str], list[list[str]]]:
    heads = ["", *(column.label for column in row.columns), *RATIOS]
    lines = []
    for peer in ordered(result, row):
        cells = [column.form.format(result.median(row.key, peer, column.figure)) for column in row.columns]
        if result.client_bound(row.key, peer) and row.more_is_better:
            cells[0] = AT_LEAST + cells[0]
        lines.append([result.peers[peer]["name"], *cells, *_ratios(result, row, peer)])
    return heads, lines


def _ratios(result: Result, row: Row, peer: str) -> list[str]:
    """The values under `RATIOS`."""
    if peer == OURS:
        return [""] * len(RATIOS)
    bound = AT_LEAST if row.more_is_better and result.client_bound(row.key, OURS) else ""
    rates = [result.ratio(row, peer), result.ratio_to_best(row, peer)]
    told = ["" if ratio is None else f"{bound}{ratio:.2f} x" for ratio in rates]
    cost = result.cost_ratio(row, peer)
    return [*told, "" if cost is None else f"{cost:.2f} x"]


def _curve(result: Result, row: Row) -> tuple[list[str], list[list[str]]]:
    points = list(result.of(row.key, result.measured(row.key)[0])[0])
    heads = [row.curve, *(f"{int(point):,}" for point in points), "grows by"]
    lines = []
    for peer in result.measured(row.key):
        values = [result.median(row.key, peer, point) for point in points]
        growth = values[-1] / values[0] - 1 if values[0] else 0.0
        lines.append([result.peers[peer]["name"], *(f"{value:.2f}" for value in values), f"{growth:+.0%}"])
    return heads, lines


def ordered(result: Result, row: Row) -> list[str]:
    """The peers with figures in a row, the best first."""
    figure = row.columns[0].figure
    return sorted(
        result.measured(row.key), key=lambda peer: result.median(row.key, peer, figure), reverse=row.more_is_better
    )


def warming(result: Result) -> tuple[list[str], list[list[str]]]:
    """How long each peer was warmed for each row, and how many times its first rate its best was."""
    cells = {(each.row, each.peer): f"{each.rise:.2f} x, {each.seconds:.0f} s" for each in result.warm_ups}
    peers = [peer for peer in result.peers if any(name == peer for _, name in cells)]
    rows = [row for row in ROWS if any(key == row.key for key, _ in cells)]
    lines = [[row.title, *(cells.get((row.key, peer), "") for peer in peers)] for row in rows]
    return ["", *(result.peers[peer]["name"] for peer in peers)], lines


def left_out(result: Result, row: Row) -> str:
    """The peers that are not in a row, and the reasons."""
    reasons: dict[str, list[str]] = {}
    for peer, rows in result.left_out.items():
        if row.key in rows:
            reasons.setdefault(rows[row.key], []).append(result.peers[peer]["name"])
    told = [f"{', '.join(names)} ({reason})" for reason, names in reasons.items()]
    return f"Left out: {'; '.join(told)}." if told else ""


def markdown(heads: list[str], lines: list[list[str]]) -> str:
    """One table; Hubline's line stands out."""
    rows = [heads, ["---", *("---:" for _ in heads[1:])]]
    rows += [[f"**{cell}**" if cell and line[0] == "Hubline" else cell for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def show(result: Result, console: Console, rows: Sequence[Row] = ROWS) -> None:
    """Print the tables of these rows, and what must be known about all of them."""
    for row, heads, lines in tables(result, rows):
        table = Table(title=Text(row.title.replace("`", ""), "bold"), title_justify="left", box=None, pad_edge=False)
        for number, head in enumerate(heads):
            table.add_column(head, justify="right" if number else "left", header_style="dim")
        for line in lines:
            table.add_row(*line, style="bold" if line[0] == "Hubline" else "")
        console.print(table, "")
    for note in notes(result):
        console.print(note, style="yellow", soft_wrap=True)


def notes(result: Result) -> list[str]:
    """What was not measured, and where the client was the limit."""
    found = [f"{name} was left out: {reason}." for name, reason in result.missing.items()]
    found += [
        f"{result.peers[each.peer]['name']} failed in round {each.round + 1} of {each.row}: {each.error}."
        for each in result.failures
    ]
    rising = [f"{result.peers[each.peer]['name']} ({each.row})" for each in result.warm_ups if not each.steady]
    if rising:
        found.append(f"The rate had not come to rest when the time for warming was over: {', '.join(rising)}.")
    alone = [
        f"{result.peers[peer]['name']} ({row.key})"
        for row in ROWS
        for peer in result.measured(row.key)
        if row.more_is_better and result.shared(row.key, peer)
    ]
    if alone:
        found.append(f"Neither core was full, so something else ran on this machine, or slept: {', '.join(alone)}.")
    bound = [
        f"{result.peers[peer]['name']} ({row.key})"
        for row in ROWS
        for peer in result.measured(row.key)
        if not row.curve and result.client_bound(row.key, peer)
    ]
    if bound:
        found.append(
            f"The client's core was full, so the server can do more than {AT_LEAST.strip()} says: {', '.join(bound)}."
        )
    return found

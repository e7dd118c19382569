"""What a result becomes: the figures in `docs/benchmarks.md`, and the charts there and in the README."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.charts import THEMES, Bar, Curve, Theme, bars, curves, panels
from benchmarks.machine import ROOT
from benchmarks.report import AT_LEAST, left_out, markdown, notes, ordered, tables
from benchmarks.results import OURS, Result
from benchmarks.rows.catalogue import ROWS, Row

PAGE = Path("docs/benchmarks.md")
IMAGES = Path("docs/images/benchmarks")
BEGIN, END = "<!-- figures: written by `make bench` -->", "<!-- end of the figures -->"
OVERVIEW = ("calls", "burst", "streams", "sse")
"""Rows of the chart that the README shows."""


def write(result: Result, root: Path = ROOT) -> None:
    """Put the figures into the page, between the marks, and the charts beside it."""
    path = root / PAGE
    path.write_text(with_figures(path.read_text("utf-8"), result), "utf-8")
    folder = root / IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in charts(result):
        (folder / name).write_text(svg, "utf-8")


def with_figures(page: str, result: Result) -> str:
    """The page with the figures of this result in place of those it has."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{figures(result)}\n\n{END}{after}"


def figures(result: Result) -> str:
    """Everything between the marks."""
    parts = [_provenance(result)]
    for row, heads, lines in tables(result):
        parts += [f"### {row.title}", row.question, _picture(row.key, row.title), markdown(heads, lines)]
        if absent := left_out(result, row):
            parts.append(absent)
    if found := notes(result):
        parts += ["### What to know about these figures", "\n".join(f"- {note}" for note in found)]
    return "\n\n".join(parts)


def charts(result: Result) -> Iterator[tuple[str, str]]:
    """Names and contents of all files."""
    for theme in THEMES:
        for row in ROWS:
            if result.measured(row.key):
                yield (
                    f"{row.key}-{theme.name}.svg",
                    _curves(result, row, theme) if row.curve else _bars(result, row, theme),
                )
        shown = [
            (row.title, row.columns[0].label, _shown(result, row))
            for row in ROWS
            if row.key in OVERVIEW and result.measured(row.key)
        ]
        if shown:
            yield f"overview-{theme.name}.svg", panels("Hubline and its peers, each on one core", shown, theme)


def _bars(result: Result, row: Row, theme: Theme) -> str:
    better = "more is better" if row.more_is_better else "less is better"
    return bars(row.title, f"{row.columns[0].label}, {better}", _shown(result, row), theme)


def _shown(result: Result, row: Row) -> list[Bar]:
    column = row.columns[0]
    found = []
    for peer in ordered(result, row):
        values = result.values(row.key, peer, column.figure)
        value = result.median(row.key, peer, column.figure)
        bound = AT_LEAST if row.more_is_better and result.client_bound(row.key, peer) else ""
        name = result.peers[peer]["name"]
        text = bound + column.form.format(value)
        found.append(Bar(name, value, text, min(values), max(values), ours=peer == OURS))
    return found


def _curves(result: Result, row: Row, theme: Theme) -> str:
    points = list(result.of(row.key, result.measured(row.key)[0])[0])
    shown = [
        Curve(result.peers[peer]["name"], [result.median(row.key, peer, point) for point in points], peer == OURS)
        for peer in result.measured(row.key)
    ]
    labels = [f"{int(point):,}" for point in points]
    return curves(row.title, f"server CPU, {row.curve} from left to right", labels, shown, theme)


def _picture(key: str, title: str) -> str:
    folder = IMAGES.relative_to(PAGE.parent).as_posix()
    return (
        f'<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="{folder}/{key}-dark.svg">\n'
        f'  <img alt="{title}: the table below as a chart" src="{folder}/{key}-light.svg">\n</picture>'
    )


def _provenance(result: Result) -> str:
    machine, settings = result.machine, result.settings
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    peers = ", ".join(f"{each['name']} {each['version']}".strip() for each in result.peers.values())
    lines = [
        ("measured", f"{machine['when']}, commit {machine['commit']}, {settings['rounds']} rounds"),
        ("machine", f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"),
        ("Python", f"{machine['python']}: {packages}"),
        ("peers", peers),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in lines)])

"""Writes a result: the figures in `docs/benchmarks.md`, the short ones in the README, and the charts of both."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import paper
from benchmarks.charts import THEMES, Bar, Curve, Theme, bars, curves, panels
from benchmarks.machine import ROOT
from benchmarks.report import AT_LEAST, left_out, markdown, notes, ordered, tables, warming
from benchmarks.results import OURS, Result
from benchmarks.rows.catalogue import ROWS
from benchmarks.rows.row import Row

PAGE, README = Path("docs/benchmarks.md"), Path("README.md")
PAPER = Path("docs/decisions/one-million-connections.md")
IMAGES = Path("docs/images/benchmarks")
BEGIN, END = "<!-- figures: written by `make bench` -->", "<!-- end of the figures -->"
OVERVIEW = ("calls", "burst", "streams", "sse")
"""Rows of the chart that the README shows."""
SUMMARY = ("calls", "calls-msgpack", "burst", "paced", "streams", "connects", "storm", "sse", "polling")
"""Rows of its table."""
HEADLINE = (
    ("calls", "answers {} times the calls"),
    ("burst", "delivers {} times the broadcasts"),
    ("streams", "streams {} times the tokens"),
    ("connects", "accepts {} times the connections"),
)
ORIGINAL = "aspnetcore"
"""The peer with which the README's first sentence compares."""
NO_PEERS = ("hubline-asgi", "floor")
"""Measured, but not an alternative to Hubline."""


def write(result: Result, root: Path = ROOT) -> None:
    """Put the figures into all pages, between the marks, and the charts beside them."""
    for page, content in ((PAGE, figures(result)), (README, summary(result)), (PAPER, paper.figures(result))):
        if not content:
            continue
        path = root / page
        path.write_text(with_figures(path.read_text("utf-8"), content), "utf-8")
    folder = root / IMAGES
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in charts(result):
        (folder / name).write_text(svg, "utf-8")


def with_figures(page: str, content: str) -> str:
    """The page with its figures replaced by these."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"a page with figures needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{content}\n\n{END}{after}"


def summary(result: Result) -> str:
    """The figures of the README: one chart, and the rates of all peers on a full core."""
    rows = [row for row in ROWS if row.key in SUMMARY and result.measured(row.key)]
    names = [each["name"] for key, each in result.peers.items() if key not in NO_PEERS]
    heads = ["a second, on one core", *names]
    lines = []
    for row in rows:
        shown = {bar.label: bar.text for bar in _shown(result, row)}
        ours, *others = [shown.get(name, "") for name in names]
        lines.append([f"{row.title} ({row.columns[0].label})", f"**{ours}**", *others])
    machine = result.machine
    source = f"Medians of {result.settings['rounds']} rounds on {machine['cpu']}, Python {machine['python']}."
    picture = _picture("overview", "Rates of Hubline and its peers", README)
    return "\n\n".join([*_headline(result), picture, markdown(heads, lines), source])


def _headline(result: Result) -> list[str]:
    """One sentence, if the original was measured. It compares with the original's best round."""
    told = [
        text.format(f"{ratio:.1f}")
        for row in ROWS
        for key, text in HEADLINE
        if key == row.key and (ratio := result.ratio_to_best(row, ORIGINAL)) is not None
    ]
    if not told:
        return []
    *first, last = told
    return [f"On one core Hubline {', '.join(first)}{' and ' if first else ''}{last} of ASP.NET Core."]


def figures(result: Result) -> str:
    """Everything between the marks."""
    parts = [_provenance(result)]
    parts += _sections(result, [row for row in ROWS if not row.backplane])
    if joined := _sections(result, [row for row in ROWS if row.backplane]):
        parts += ["## Figures of several servers", *joined, "## Notes on all figures"]
    if result.warm_ups:
        told = "How many times its first rate each server's best was while it was warmed, and how long that took."
        parts += ["### Warming", told, markdown(*warming(result))]
    if found := notes(result):
        parts += ["### What to know about these figures", "\n".join(f"- {note}" for note in found)]
    return "\n\n".join(parts)


def _sections(result: Result, rows: Sequence[Row]) -> list[str]:
    """Title, question, chart and table of each row."""
    parts = []
    for row, heads, lines in tables(result, rows):
        parts += [f"### {row.title}", row.question, _picture(row.key, row.title, PAGE), markdown(heads, lines)]
        if absent := left_out(result, row):
            parts.append(absent)
        if later := result.later.get(row.key):
            parts.append(_later(later, row))
    return parts


def _later(told: Mapping[str, Any], row: Row) -> str:
    """The time of a row that was measured in another run than the rest, and its Redis."""
    machine = told["machine"]
    rounds = "" if row.load is None else f", {told['settings']['rounds']} rounds"
    redis = f"; {machine['redis']}" if row.backplane and machine.get("redis") else ""
    return f"Measured by itself: {machine['when']}, commit {machine['commit']}{rounds}{redis}."


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


def _picture(key: str, title: str, page: Path) -> str:
    folder = IMAGES.relative_to(page.parent).as_posix()
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
    if redis := machine.get("redis"):
        lines.append(("Redis", redis))
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in lines)])

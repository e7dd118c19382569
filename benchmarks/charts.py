"""Charts as SVG, drawn twice: GitHub shows one or the other, by the reader's theme."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

WIDTH = 760
LABELS = 170
"""The left end of the bars."""
VALUES = 150
"""Room for the number behind the longest bar."""
BAR, GAP = 20, 8
TITLE = 58
FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours. The background is the page's."""

    name: str
    text: str
    quiet: str
    bar: str
    accent: str
    line: str


LIGHT = Theme("light", text="#1f2328", quiet="#59636e", bar="#b6c2cf", accent="#0f766e", line="#d1d9e0")
DARK = Theme("dark", text="#f0f6fc", quiet="#9198a1", bar="#4b5561", accent="#2dd4bf", line="#3d444d")
THEMES = (LIGHT, DARK)


@dataclass(frozen=True, slots=True)
class Bar:
    """One peer. `low` and `high` are the least and the most of all rounds."""

    label: str
    value: float
    text: str
    low: float
    high: float
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """One peer of a growth chart: values, from left to right."""

    label: str
    values: Sequence[float]
    ours: bool = False


def bars(title: str, subtitle: str, shown: Sequence[Bar], theme: Theme) -> str:
    """Horizontal bars from zero, in the order given."""
    return _svg(title, bars_height(len(shown)), [_bars(title, subtitle, shown, theme, 0)])


def panels(title: str, charts: Sequence[tuple[str, str, Sequence[Bar]]], theme: Theme) -> str:
    """Several bar charts, one below the other."""
    parts, top = [], 0
    for heading, subtitle, shown in charts:
        parts.append(_bars(heading, subtitle, shown, theme, top))
        top += bars_height(len(shown)) + 14
    return _svg(title, top, parts)


def bars_height(count: int) -> int:
    return TITLE + count * (BAR + GAP) + 8


def _bars(title: str, subtitle: str, shown: Sequence[Bar], theme: Theme, top: int) -> str:
    longest = max((each.high for each in shown), default=0) or 1
    scale = (WIDTH - LABELS - VALUES) / longest
    parts = [*_heading(title, subtitle, theme, top)]
    for number, each in enumerate(shown):
        y = top + TITLE + number * (BAR + GAP)
        parts += _bar(each, y, scale, theme)
    base = top + TITLE
    foot = base + len(shown) * (BAR + GAP) - GAP
    parts.append(f'<path d="M{LABELS} {base - 4}V{foot + 4}" stroke="{theme.line}"/>')
    return "\n".join(parts)


def _bar(each: Bar, y: float, scale: float, theme: Theme) -> list[str]:
    length, middle = max(each.value * scale, 1), y + BAR / 2
    weight = ' font-weight="600"' if each.ours else ""
    low, high = LABELS + each.low * scale, LABELS + each.high * scale
    colour = theme.accent if each.ours else theme.bar
    return [
        f'<text x="{LABELS - 10}" y="{middle + 4.5:.1f}" text-anchor="end" fill="{theme.text}"{weight}>'
        f"{escape(each.label)}</text>",
        f'<rect x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" fill="{colour}"/>',
        f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="{theme.quiet}"/>',
        f'<text x="{max(high, LABELS + length) + 8:.1f}" y="{middle + 4.5:.1f}" fill="{theme.text}"{weight}>'
        f"{escape(each.text)}</text>",
    ]


def curves(title: str, subtitle: str, points: Sequence[str], shown: Sequence[Curve], theme: Theme) -> str:
    """Lines over evenly spaced points, from zero."""
    height, left, right, base = 300, 60, 590, 250
    highest = _round_up(max((value for each in shown for value in each.values), default=1) or 1)
    step = (right - left) / max(len(points) - 1, 1)
    scale = (base - 78) / highest
    parts = [*_heading(title, subtitle, theme, 0)]
    for tenth in (0.0, 0.5, 1.0):
        y = base - highest * tenth * scale
        parts.append(f'<path d="M{left} {y:.1f}H{right}" stroke="{theme.line}"/>')
        parts.append(
            f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end" fill="{theme.quiet}">{highest * tenth:g}</text>'
        )
    for number, point in enumerate(points):
        x = left + number * step
        parts.append(f'<text x="{x:.1f}" y="{base + 22}" text-anchor="middle" fill="{theme.quiet}">{point}</text>')
    heights = [base - each.values[-1] * scale for each in shown]
    for each, label in zip(shown, _apart(heights), strict=True):
        parts += _curve(each, left, step, base, scale, label, theme)
    return _svg(title, height, parts)


def _curve(each: Curve, left: float, step: float, base: float, scale: float, label: float, theme: Theme) -> list[str]:
    colour = theme.accent if each.ours else theme.quiet
    places = [(left + number * step, base - value * scale) for number, value in enumerate(each.values)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    weight = ' font-weight="600"' if each.ours else ""
    return [
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.5"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places),
        f'<text x="{places[-1][0] + 12:.1f}" y="{label + 4:.1f}" fill="{theme.text}"{weight}>'
        f"{escape(each.label)}, {each.values[-1]:.1f}</text>",
    ]


def _apart(heights: list[float]) -> list[float]:
    """The same heights, moved so that labels do not overlap."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    moved = list(heights)
    for above, below in itertools.pairwise(order):
        moved[below] = max(moved[below], moved[above] + 18)
    return moved


def _round_up(value: float) -> float:
    """To 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value)


def _heading(title: str, subtitle: str, theme: Theme, top: int) -> list[str]:
    return [
        f'<text x="0" y="{top + 18}" font-size="15" font-weight="600" fill="{theme.text}">{escape(title)}</text>',
        f'<text x="0" y="{top + 38}" fill="{theme.quiet}">{escape(subtitle)}</text>',
    ]


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label={quoteattr(title)} font-family="{FONT}" font-size="13">\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )

"""A line chart as SVG, both of whose axes are logarithmic. It is a function of its values: no time, no random name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape

from attrs import field, frozen, validators

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 78, 34, 92, 56
KEYS = 3
"""Entries of the legend in a row."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9")
"""Those of Okabe and Ito, which people who see few colours can tell apart; the lines differ in their dashes too."""
DASHES = ("none", "7 4", "2 3", "9 3 2 3", "4 2")


@frozen
class Point:
    """Where a line passes, and from where to where the rounds reached."""

    x: float = field(validator=validators.gt(0))
    y: float = field(validator=validators.gt(0))
    low: float = field(validator=validators.gt(0))
    high: float = field(validator=validators.gt(0))


@frozen
class Line:
    """One contender."""

    name: str
    points: tuple[Point, ...] = field(validator=validators.min_len(1))


@frozen
class Chart:
    """What is drawn; at most as many lines as there are colours."""

    title: str
    x: str
    y: str
    lines: tuple[Line, ...] = field(validator=[validators.min_len(1), validators.max_len(len(COLOURS))])
    ticks: tuple[tuple[float, str], ...] = ()
    """Where the x axis has its marks, and what they say; without any: at powers of ten."""


@frozen
class Scale:
    """Maps a positive value to a place between two pixels, by its logarithm."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel, to a tenth."""
        part = (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return round(self.start + part * (self.end - self.start), 1)


def svg(chart: Chart) -> str:
    """The picture, complete in itself: no script, no font and no style from elsewhere."""
    points = [point for line in chart.lines for point in line.points]
    across = _scale([point.x for point in points], LEFT, WIDTH - RIGHT, whole=not chart.ticks)
    up = _scale([y for point in points for y in (point.low, point.high)], HEIGHT - BOTTOM, TOP, whole=True)
    ticks = chart.ticks or tuple((value, plain(value)) for value in decades(across.low, across.high))
    body = [
        f'<text x="{LEFT}" y="24" font-size="16" font-weight="bold">{escape(chart.title)}</text>',
        *_vertical(up),
        *_horizontal(across, ticks),
        *_titles(chart),
    ]
    for place, line in enumerate(chart.lines):
        body += _line(line, place, across, up)
        body += _key(line.name, place)
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" font-family="system-ui, sans-serif" font-size="12" fill="#222">'
    )
    return "\n".join(
        [
            root,
            f"<title>{escape(chart.title)}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
            *body,
            "</svg>\n",
        ]
    )


def plain(value: float) -> str:
    """A number as people read it: `1,000`, `0.01`."""
    return f"{value:,.0f}" if value >= 1 else f"{value:.10f}".rstrip("0")


def decades(low: float, high: float) -> Iterator[float]:
    """The powers of ten from one to the other, both included."""
    for exponent in range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1):
        yield 10.0**exponent


def _scale(values: Sequence[float], start: float, end: float, *, whole: bool) -> Scale:
    """From the least to the largest; to whole powers of ten where `whole`, of which there is one at least."""
    low, high = min(values), max(values)
    if whole:
        low, high = 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))
    return Scale(low, high if high > low else low * 10, start, end)


def _vertical(up: Scale) -> Iterator[str]:
    for value in decades(up.low, up.high):
        y = up(value)
        yield f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{plain(value)}</text>'


def _horizontal(across: Scale, ticks: Sequence[tuple[float, str]]) -> Iterator[str]:
    for value, text in ticks:
        x = across(value)
        yield f'<path d="M{x} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>'
        yield f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{escape(text)}</text>'


def _titles(chart: Chart) -> Iterator[str]:
    middle = (TOP + HEIGHT - BOTTOM) / 2
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 14}" text-anchor="middle">{escape(chart.x)}</text>'
    yield (
        f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">{escape(chart.y)}</text>'
    )


def _line(line: Line, place: int, across: Scale, up: Scale) -> Iterator[str]:
    colour, dash = COLOURS[place], DASHES[place]
    way = "L".join(f"{across(point.x)} {up(point.y)}" for point in line.points)
    yield f'<path d="M{way}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
    for point in line.points:
        x = across(point.x)
        yield f'<path d="M{x} {up(point.low)}V{up(point.high)}" stroke="{colour}" stroke-width="5" opacity="0.35"/>'
        yield f'<circle cx="{x}" cy="{up(point.y)}" r="3.5" fill="{colour}"/>'


def _key(name: str, place: int) -> Iterator[str]:
    """An entry of the legend, in the rows above the picture."""
    x, y = LEFT + place % KEYS * (WIDTH - LEFT - RIGHT) // KEYS, 50 + place // KEYS * 20
    yield (
        f'<path d="M{x} {y}h28" stroke="{COLOURS[place]}" stroke-width="2" stroke-dasharray="{DASHES[place]}"/>'
        f'<text x="{x + 34}" y="{y + 4}">{escape(name)}</text>'
    )

"""Charts as SVG, written by hand: they need no library, and a change of one figure is a change of one line."""

from collections.abc import Callable, Sequence
from math import isnan, log10
from xml.sax.saxutils import escape

from attrs import frozen

from tests.bench.report import spaced

_INK, _PALE, _OURS, _COLOURS = "#222", "#ddd", "#c0392b", ("#c0392b", "#2471a3", "#1e8449")
_FONT = 'font-family="sans-serif" font-size="12"'
_ROW, _COLUMN, _LABELS, _HEAD = 22, 130, 290, 46
_PANEL, _PLOT, _GAP = 300, 200, 70


@frozen
class Column:
    """One figure of all rows.

    Attributes:
        values: None where a row has none.
        text: a value as it is shown.
    """

    title: str
    values: Sequence[float | None]
    text: Callable[[float], str]


@frozen
class Panel:
    """Some lines over the same numbers.

    Attributes:
        at: the numbers, above 0.
        lines: by name; nan where nothing could be measured.
    """

    title: str
    at: Sequence[int]
    lines: dict[str, Sequence[float]]
    is_logarithmic: bool = True


def dots(rows: Sequence[str], columns: Sequence[Column]) -> str:
    """A dot for each row and figure; left is better. Each figure has a logarithmic scale of its own.

    Args:
        rows: their names; ours are those that begin with "pulsetw".
    """
    width, height = _LABELS + _COLUMN * len(columns) + 40, _HEAD + _ROW * len(rows) + 10
    parts = [_text(10, _middle(number), name, colour=_colour(name)) for number, name in enumerate(rows)]
    for number, column in enumerate(columns):
        left = _LABELS + _COLUMN * number
        first, _, second = column.title.partition(", ")
        parts += [_text(left, 18, first, "bold"), _text(left, 34, second)]
        known = [value for value in column.values if value is not None and value > 0]
        for row, value in enumerate(column.values):
            parts.append(_line(left, _middle(row) - 4, left + _COLUMN - 20, _middle(row) - 4))
            if value is not None:
                x = left + _share(value, known) * (_COLUMN - 60)
                parts.append(f'<circle cx="{x:.0f}" cy="{_middle(row) - 4}" r="4" fill="{_colour(rows[row])}"/>')
                parts.append(_text(x + 7, _middle(row), column.text(value), colour=_colour(rows[row])))
    return _svg(width, height, parts)


def lines(panels: Sequence[Panel]) -> str:
    """One panel beside the other; each begins at 0."""
    parts = []
    for number, panel in enumerate(panels):
        left = 50 + number * (_PANEL + _GAP)
        parts += _panel(panel, left)
    return _svg(50 + len(panels) * (_PANEL + _GAP), _PLOT + 100, parts)


def _panel(panel: Panel, left: int) -> list[str]:
    bottom = 40 + _PLOT
    top = max(value for values in panel.lines.values() for value in values if not isnan(value)) * 1.1
    parts = [_text(left, 20, panel.title, "bold"), _line(left, bottom, left + _PANEL, bottom)]
    for share in (0, 0.5, 1):
        y = bottom - share * _PLOT
        parts += [_line(left, y, left + _PANEL, y), _text(left - 8, y + 4, f"{share * top:.3g}", anchor="end")]
    share_of = _share if panel.is_logarithmic else _plain_share
    xs = [left + 12 + share_of(at, panel.at) * (_PANEL - 24) for at in panel.at]
    parts += [_text(x, bottom + 18, spaced(at), anchor="middle") for x, at in zip(xs, panel.at, strict=True)]
    for number, (name, values) in enumerate(panel.lines.items()):
        colour = _COLOURS[number]
        points = [(x, bottom - value / top * _PLOT) for x, value in zip(xs, values, strict=True) if not isnan(value)]
        path = " ".join(f"{x:.0f},{y:.0f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(_text(left, bottom + 36 + 15 * number, name, colour=colour))
    return parts


def _share(value: float, known: Sequence[float]) -> float:
    """Where a value stands between the least and the most, 0 to 1, by its logarithm."""
    if value <= 0 or min(known) == max(known):
        return 0
    low, high = log10(min(known)), log10(max(known))
    return (log10(value) - low) / (high - low)


def _plain_share(value: float, known: Sequence[float]) -> float:
    return value / max(known)


def _middle(row: int) -> int:
    return _HEAD + _ROW * row + 16


def _colour(name: str) -> str:
    return _OURS if name.startswith("pulsetw") else _INK


def _text(x: float, y: float, text: str, weight: str = "normal", colour: str = _INK, anchor: str = "start") -> str:
    style = f'font-weight="{weight}" fill="{colour}" text-anchor="{anchor}"'
    return f'<text x="{x:.0f}" y="{y:.0f}" {style}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.0f}" y1="{y1:.0f}" x2="{x2:.0f}" y2="{y2:.0f}" stroke="{_PALE}"/>'


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {_FONT}>'
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="white"/>', *parts, "</svg>\n"])

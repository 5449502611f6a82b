"""Draw a plan as SVG: rooms as boxes in layers from left to right, conditions as dashed lines.

Colours stand on white and keep their difference without hue: every kind of room also says what it is.
"""

from collections.abc import Mapping
from html import escape
from typing import Final

from penstock.pipeline.graph import details
from penstock.pipeline.graph_layout import Edge, Layout, Point, lay_out
from penstock.pipeline.plan import Plan

__all__ = ["draw_svg"]

_FILL: Final[Mapping[str, str]] = {
    "source": "#dcebf7",
    "join": "#fdf0d0",
    "merge": "#fdf0d0",
    "steps": "#e9e9ee",
    "map": "#dff1e0",
    "reduce": "#c8e6d3",
    "sink": "#f6e0e4",
}
_TITLE_px, _LINE_px, _PAD_px, _GAP_px, _CHANNEL_px, _MARGIN_px = 20, 15, 10, 18, 56, 16
_CHARACTER_px: Final = {True: 8.6, False: 6.9}
"""Widest likely width of a character of the title and of the lines; fonts differ, so boxes are rather too wide."""
_LONGEST = 38
"""Characters of a line before it is cut."""


def draw_svg(plan: Plan) -> str:
    """Return an SVG document."""
    return _Drawing(plan, lay_out(plan)).draw()


class _Drawing:
    def __init__(self, plan: Plan, layout: Layout) -> None:
        self._layout = layout
        self._name = plan.name
        self._lines = {name: _wrapped(lines) for name, lines in details(plan).items()}
        self._kind = {name: lines[0].partition(" ")[0] for name, lines in details(plan).items()}
        self._left, self._widths, self.width = self._columns()
        self._middle, self.height = self._row_middles()

    def draw(self) -> str:
        edges = [self._edge(edge) for edge in self._layout.edges]
        passages = [self._passage(point) for layer in self._layout.layers for point in layer if point.is_passage]
        rooms = [self._room(point) for layer in self._layout.layers for point in layer if not point.is_passage]
        title = f"<title>{escape(self._name)}</title>"
        frame = f'<rect width="{self.width:g}" height="{self.height:g}" fill="#ffffff"/>'
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:g}" height="{self.height:g}"'
            f' viewBox="0 0 {self.width:g} {self.height:g}" font-family="DejaVu Sans, Verdana, sans-serif">'
        )
        return "\n".join([head, title, frame, _ARROW, *edges, *passages, *rooms, "</svg>", ""])

    def _columns(self) -> tuple[list[float], list[float], float]:
        left, widths, at = [], [], float(_MARGIN_px)
        for layer in self._layout.layers:
            width = max((self._width(point.name) for point in layer if not point.is_passage), default=0.0)
            left.append(at)
            widths.append(width)
            at += width + _CHANNEL_px
        return left, widths, max(at - _CHANNEL_px + _MARGIN_px, 2.0 * _MARGIN_px)

    def _width(self, name: str) -> float:
        longest = max((len(line) for line in self._lines[name]), default=0) * _CHARACTER_px[False]
        return max(len(name) * _CHARACTER_px[True], longest) + 2 * _PAD_px

    def _height(self, point: Point) -> float:
        if point.is_passage:
            return _LINE_px
        return 2 * _PAD_px + _TITLE_px + _LINE_px * len(self._lines[point.name])

    def _row_middles(self) -> tuple[dict[int, float], float]:
        heights: dict[int, float] = {}
        for point, row in self._layout.rows.items():
            heights[row] = max(heights.get(row, 0.0), self._height(point))
        middles, at = {}, float(_MARGIN_px)
        for row in sorted(heights):
            middles[row] = at + heights[row] / 2
            at += heights[row] + _GAP_px
        return middles, max(at - _GAP_px + _MARGIN_px, 2.0 * _MARGIN_px)

    def _y(self, point: Point) -> float:
        return self._middle[self._layout.rows[point]]

    def _edge(self, edge: Edge) -> str:
        start = self._left[edge.start.layer] + self._widths[edge.start.layer]
        if not edge.start.is_passage:
            start = self._left[edge.start.layer] + self._width(edge.start.name)
        end = self._left[edge.end.layer]
        y0, y1 = self._y(edge.start), self._y(edge.end)
        bend = end - _CHANNEL_px  # the line stays level below its own layer and bends between the layers only
        middle = bend + _CHANNEL_px / 2
        path = f"M{start:g} {y0:g} L{bend:g} {y0:g} C{middle:g} {y0:g} {middle:g} {y1:g} {end:g} {y1:g}"
        arrow = "" if edge.end.is_passage else ' marker-end="url(#arrow)"'
        return f'<path d="{path}" fill="none" stroke="#4a5560" stroke-width="1.5"{_dashes(edge.is_condition)}{arrow}/>'

    def _passage(self, point: Point) -> str:
        left, y = self._left[point.layer], self._y(point)
        line = f"M{left:g} {y:g} L{left + self._widths[point.layer]:g} {y:g}"
        return f'<path d="{line}" stroke="#4a5560" stroke-width="1.5"{_dashes(point.is_condition)}/>'

    def _room(self, point: Point) -> str:
        x, width, height = self._left[point.layer], self._width(point.name), self._height(point)
        y = self._y(point) - height / 2
        fill = _FILL.get(self._kind[point.name], "#ffffff")
        title = escape(point.name)
        parts = [
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" fill="{fill}" stroke="#4a5560"/>',
            f'<text x="{x + _PAD_px:g}" y="{y + _PAD_px + 14:g}" font-size="14" font-weight="bold">{title}</text>',
        ]
        for index, line in enumerate(self._lines[point.name]):
            base = y + _PAD_px + _TITLE_px + _LINE_px * (index + 0.75)
            parts.append(f'<text x="{x + _PAD_px:g}" y="{base:g}" font-size="11" fill="#333b44">{escape(line)}</text>')
        return "\n".join(parts)


_ARROW: Final = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 L8 4 L0 8 z" fill="#4a5560"/></marker></defs>'
)


def _dashes(is_condition: bool) -> str:
    return ' stroke-dasharray="5 4"' if is_condition else ""


def _wrapped(lines: list[str]) -> list[str]:
    """Break chains of steps, and cut what is still too long."""
    broken: list[str] = []
    for line in lines:
        for index, part in enumerate(line.split(" → ")):
            text = f"→ {part}" if index else part
            broken.append(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")
    return broken

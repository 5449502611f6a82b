"""Draws what stands on a terminal as SVG with real text, readable on a light page and on a dark one.

It only computes. Each word stands where its cell is, so that columns stay columns whichever fixed-width font is used.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from xml.sax.saxutils import escape

import pyte
from pyte.screens import Char

__all__ = ["terminal_svg"]

CELL_WIDTH, LINE_HEIGHT, FONT_SIZE = 8.4, 19.0, 14
PAD, TITLE_BAR = 18.0, 34.0
PAPER, BORDER, INK, DIM = "#14181f", "#3d444d", "#e6edf3", "#9198a1"
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
STYLE = (
    f"text {{ font: {FONT_SIZE}px {FONT}; fill: {INK}; dominant-baseline: central; white-space: pre }} "
    ".b { font-weight: bold }"
)
COLOURS = {
    "black": "#484f58", "red": "#ff7b72", "green": "#3fb950", "brown": "#e3b341", "blue": "#58a6ff",
    "magenta": "#bc8cff", "cyan": "#39c5cf", "white": "#e6edf3",
}  # fmt: skip
"""pyte's names, among them "brown" for what everybody calls yellow; a bright one is drawn alike."""
BARS = {"─": (0.0, 1.0, 1.0), "━": (0.0, 1.0, 4.0), "╸": (0.0, 0.5, 4.0), "╺": (0.5, 1.0, 4.0)}
"""Start and end in a cell, and thickness: as glyphs, neighbours of some fonts would not meet."""


def terminal_svg(screen: pyte.Screen, title: str) -> str:
    """Return a drawing of a screen: the rows and columns in which something stands, in a window with a title."""
    rows = [[screen.buffer[y][x] for x in range(screen.columns)] for y in range(screen.lines)]
    while rows and _is_empty(rows[-1]):
        rows.pop()
    used = max((x + 1 for row in rows for x, char in enumerate(row) if char.data.strip()), default=1)
    width, height = used * CELL_WIDTH + 2 * PAD, TITLE_BAR + len(rows) * LINE_HEIGHT + 2 * PAD
    body = [mark for y, row in enumerate(rows) for mark in _row(row, TITLE_BAR + PAD + (y + 0.5) * LINE_HEIGHT)]
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    whole = f'x="0.5" y="0.5" width="{width - 1:g}" height="{height - 1:g}" rx="9"'
    centre = f'x="{width / 2:g}" y="{TITLE_BAR / 2:g}" text-anchor="middle"'
    window = [
        f"<style>{STYLE}</style>",
        f'<rect {whole} fill="{PAPER}" stroke="{BORDER}"/>',
        f'<path d="M0.5 {TITLE_BAR:g}H{width - 0.5:g}" stroke="{BORDER}"/>',
        *(f'<circle cx="{PAD + 18 * k:g}" cy="{TITLE_BAR / 2:g}" r="5.5" fill="{BORDER}"/>' for k in range(3)),
        f'<text {centre} style="fill: {DIM}">{escape(title)}</text>',
    ]
    label = f'role="img" aria-label="{escape(title)}, on a terminal"'
    inside = "\n".join([*window, *body])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {label}>\n{inside}\n</svg>\n'


def _row(row: list[Char], y: float) -> Iterator[str]:
    """Yield the marks of a row: words of one style, and lines."""
    for style, cells in groupby(enumerate(row), key=lambda cell: _style(cell[1])):
        run = list(cells)
        text, at = "".join(char.data for _, char in run), run[0][0]
        for found in re.finditer(r"([─━╸╺]+)|[^\s─━╸╺]+(?: [^\s─━╸╺]+)*", text):
            draw = _bars if found[1] else _text
            yield draw(found[0], PAD + (at + found.start()) * CELL_WIDTH, y, style)


def _text(text: str, x: float, y: float, style: tuple[str, bool]) -> str:
    colour, is_bold = style
    looks = (' class="b"' if is_bold else "") + (f' style="fill: {colour}"' if colour != INK else "")
    return f'<text x="{x:g}" y="{y:g}" textLength="{len(text) * CELL_WIDTH:g}"{looks}>{escape(text)}</text>'


def _bars(text: str, x: float, y: float, style: tuple[str, bool]) -> str:
    start, _, thickness = BARS[text[0]]
    end = len(text) - 1 + BARS[text[-1]][1]
    colour = DIM if style[0] == INK else style[0]
    line = f"M{x + start * CELL_WIDTH:g} {y:g}H{x + end * CELL_WIDTH:g}"
    return f'<path d="{line}" stroke="{colour}" stroke-width="{thickness:g}"/>'


def _style(char: Char) -> tuple[str, bool]:
    name = char.fg.removeprefix("bright")
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}", char.bold
    return COLOURS.get(name, INK), char.bold


def _is_empty(row: list[Char]) -> bool:
    return not any(char.data.strip() for char in row)

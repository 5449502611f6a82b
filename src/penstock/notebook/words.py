"""A view in words: the line below a figure, a number, a table, as HTML; pure, and safe whatever a view holds."""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.notebook.about import About
from penstock.notebook.inbox import Part
from penstock.views.places import label_of

__all__ = ["number_text", "range_text", "table_html", "value_html"]

DIGITS: Final = 6
LONGEST: Final = 2000
"""Characters of a text."""
_CELL: Final = 'style="text-align:right;padding:0 .6em"'


def number_text(value: Any) -> str:  # a scalar of NumPy or Python
    """Return one element as people read it: whole numbers exactly, others to six digits.

    >>> number_text(np.float64(12345.678)), number_text(np.int64(1234567)), number_text(np.nan)
    ('12,345.7', '1,234,567', 'no value')
    """
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, np.datetime64 | np.timedelta64):
        return str(value)
    if isinstance(plain, bytes):
        plain = plain.decode("utf-8", "replace")
    if isinstance(plain, bool | str):
        return str(plain)[:LONGEST]
    if isinstance(plain, int):
        return f"{plain:,}"
    if isinstance(plain, float):
        return f"{plain:,.{DIGITS}g}" if np.isfinite(plain) else "no value"
    return str(plain)[:LONGEST]


def range_text(part: Part, unit: str = "") -> str:
    """Return from where to where the elements reach, what is missing, and what one element stands for.

    >>> array = np.array([1.0, np.nan, 3.0])
    >>> part = Part(view="a/b", slice="", array=array, version=1, position=1, every=2, fewer="max")
    >>> range_text(part, "counts")
    '1 … 3 counts, 1 missing, each the max of 2'
    """
    array = part.array
    if not array.size:
        return "nothing yet"
    known = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    words = [" ".join(filter(None, [f"{number_text(known.min())} … {number_text(known.max())}", unit]))
             if known.size else "no values"]  # fmt: skip
    if known.size < array.size:
        words.append(f"{array.size - known.size:,} missing")
    if part.every > 1:
        every = f"each the {part.fewer} of" if part.fewer not in ("", "every") else "one of every"
        words.append(f"{every} {' × '.join([str(part.every)] * array.ndim)}")
    return ", ".join(words)


def value_html(about: About, part: Part) -> str:
    """Return a single element, large."""
    text = escape(number_text(part.array[()]))
    unit = f" {escape(about.unit)}" if about.unit else ""
    return f'<div style="font-size:1.8em;overflow-wrap:anywhere">{text}{unit}</div>'


def table_html(about: About, part: Part) -> str:
    """Return the last rows as a table, with the names of columns where an axis has them."""
    array = part.array
    rows = array.reshape(len(array), -1) if array.ndim > 1 else array.reshape(-1, 1)
    columns = _columns(about, rows.shape[1] if array.ndim > 1 else 1)
    head = "".join(f"<th {_CELL}>{escape(each)}</th>" for each in columns)
    return (
        f'<table class="penstock-table"><thead><tr>{head}</tr></thead><tbody>'
        + "".join(f"<tr>{''.join(_cell(each) for each in row)}</tr>" for row in rows)
        + "</tbody></table>"
    )


def _cell(value: Any) -> str:
    return f"<td {_CELL}>{escape(number_text(value))}</td>"


def _columns(about: About, count: int) -> Sequence[str]:
    axis = about.axis(-1)
    if len(about.shape) < 2:
        return [" ".join(filter(None, [about.name.rpartition("/")[2], f"({about.unit})" if about.unit else ""]))]
    if axis.values is not None and len(axis.values) == count:
        return [str(each) for each in _plain(axis.values)]
    name = label_of(axis) or "column"
    return [f"{name} {k}" for k in range(count)]


def _plain(values: NDArray[Any]) -> list[Any]:
    return list(values.tolist())

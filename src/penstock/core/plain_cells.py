"""Read a long column of a trigger map without making a Python object for each cell.

It knows the plain cells that most long maps consist of; for any other column it says that it does not.
"""

import re

import numpy as np

from penstock.core.map_part import CellColumn
from penstock.core.routes import NOWHERE

__all__ = ["plain_column"]

CELL = rb'(?:\[\s*+\{\s*+"constraint"\s*+:\s*+(?:0|[1-9]\d{0,17}+)\s*+\}\s*+\]|null|\[\])'
COLUMN = re.compile(rb"\[\s*+%b\s*+(?:,\s*+%b\s*+)*+\]" % (CELL, CELL))
"""A list in which each cell is ``[{"constraint": k}]``, ``null`` or ``[]``."""
ABSENT = -1


def plain_column(text: bytes) -> CellColumn | None:
    """Return the column, or ``None`` if a cell of it says more than one constraint.

    Parameters
    ----------
    text
        One JSON value.
    """
    if not COLUMN.fullmatch(text):
        return None
    # The pattern leaves nothing but numbers once its words and brackets are gone.
    numbers = text.replace(b"null", b"%d" % ABSENT).replace(b"[]", b"%d" % NOWHERE)
    constraint = np.fromstring(numbers.translate(None, b'[]{}": \t\r\nconstrai'), np.int64, sep=",")
    present = constraint != ABSENT
    constraint[~present] = NOWHERE
    return CellColumn(present=present, constraint=constraint[None], tags_code=np.zeros((1, len(present)), np.int16))

"""A writer to be killed: publishes for ever, each tree full of its own position; run as a program with the descriptors.

It begins where the memory says its predecessor ended, as a reducer does.
"""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.views import ArrayView
from penstock.views.shared_tree import Published, TreeReader, TreeWriter

EVERY = 50
"""Positions a row of the growing view."""


def tree_at(position: int, cells: ArrayView, rows: ArrayView) -> dict[str, Any]:
    """The tree has one more leaf in every other hundred positions."""
    tree: dict[str, Any] = {"cells": cells, "inner": {"rows": rows, "position": position}}
    if position // 100 % 2:
        tree["inner"]["sometimes"] = ArrayView.of(np.full(position % 100 + 1, position))
    return tree


def offence(found: Published) -> str:
    """Say what is inconsistent in a tree, if anything is."""
    position, tree = found.position, found.tree
    if found.version != position + 1 or found.state != b"%d" % position * (position % 7) or not tree:
        return "version or state"
    expected = tree_at(position, tree["cells"], tree["inner"]["rows"])
    if tree["inner"].keys() != expected["inner"].keys() or tree["inner"]["position"] != position:
        return "the plain part"
    if not (tree["cells"].array == position).all() or tree["cells"].shape != (300, 40):
        return "cells"
    if not np.array_equal(tree["inner"]["rows"].array, np.arange(0, position + 1, EVERY)):
        return "rows"
    sometimes = tree["inner"].get("sometimes", expected["inner"].get("sometimes"))
    return "" if sometimes is None or (sometimes.array == position).all() else "sometimes"


def publish(fds: Sequence[int]) -> None:
    """Publish until killed."""
    found = TreeReader(fds).read()
    cells, rows = ArrayView((300, 40), "i8"), ArrayView((None,), "i8")
    position = 0
    if found is not None:
        if wrong := offence(found):
            raise AssertionError(wrong)
        cells.restore(found.tree["cells"].array)
        rows.restore(found.tree["inner"]["rows"].array)
        position = found.position + 1
    writer = TreeWriter(fds)
    while True:
        cells.set(..., position)
        if position % EVERY == 0:
            rows.append(position)
        state = b"%d" % position * (position % 7)
        writer.publish(tree_at(position, cells, rows), position=position, version=position + 1, state=state)
        position += 1


if __name__ == "__main__":
    publish([int(word) for word in sys.argv[1:]])

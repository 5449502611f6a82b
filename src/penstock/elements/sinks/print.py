"""Items and views as lines on standard output, for eyes only."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.elements.sink import RunFacts, Sink
from penstock.errors import SinkError
from penstock.views import ArrayView, array_of, attributes_of, walk

__all__ = ["PrintSink"]


class PrintSink(Sink):
    """Print every item on a line; of views, every leaf on a line.

    Parameters
    ----------
    prefix
        Stands before each line.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix

    def open(self, run: RunFacts) -> None:
        """Nothing to make sure of."""

    def write(self, item: Any) -> None:  # an item of any kind
        """Print at once."""
        lines = [f"{path} {_shown(leaf)}" for path, leaf in walk(item)] if isinstance(item, Mapping) else [str(item)]
        try:
            print("\n".join(self._prefix + line for line in lines), flush=True)
        except OSError as error:
            raise SinkError(f"standard output: {error.strerror or error}") from error

    def close(self, ended_well: bool, outcome: str = "") -> None:  # noqa: ARG002  # said by the base class
        """Print nothing: how a run ended is said elsewhere."""
        sys.stdout.flush()


def _shown(leaf: Any) -> str:  # a leaf of a foreign tree
    if not isinstance(leaf, ArrayView | np.ndarray):
        return str(leaf)
    array = array_of(leaf)
    unit = attributes_of(leaf).get("unit", "")
    text = np.array2string(array, threshold=20, precision=6, separator=", ")
    return f"{array.dtype}{list(array.shape)}{f' {unit}' if unit else ''}: {text}"

"""An item as a network can carry it: a reducer's views become arrays and values, everything else is left as it is."""

from collections.abc import Mapping
from typing import Any

from penstock.errors import ResultTypeError
from penstock.views import ArrayView
from penstock.wire.item_json import item_json

__all__ = ["json_of", "without_views"]


def without_views(item: Any) -> Any:
    """Return an item in whose mappings, at any depth, the arrays of views stand in the place of the views.

    >>> from penstock.views import ArrayView, Axis
    >>> import numpy as np
    >>> without_views({"map": {"n": 3, "counts": ArrayView((2,), np.int64)}})
    {'map': {'n': 3, 'counts': array([0, 0])}}
    """
    if isinstance(item, ArrayView):
        return item.array
    if isinstance(item, Mapping):
        return {name: without_views(value) for name, value in item.items()}
    return item


def json_of(item: Any) -> bytes:
    """Write an item, or a reducer's views, as JSON.

    Raises
    ------
    ResultTypeError
        If something in it has no form in JSON.
    """
    try:
        return item_json(item)
    except ResultTypeError:
        if not isinstance(item, Mapping):
            raise
        return item_json(without_views(item))

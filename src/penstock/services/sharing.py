"""What several consumers of one item get: nothing that one of them could change under another's hands."""

from dataclasses import fields, is_dataclass
from typing import Any, Final

import numpy as np

__all__ = ["PLAIN", "share"]

PLAIN: Final = frozenset({int, float, str, bytes, bool, complex, type(None)})
"""Types of which nothing can be changed."""


def share(item: Any) -> Any:
    """Return an item as one of several consumers gets it.

    Arrays are views that cannot be written to; lists, dictionaries, sets and data classes are copies of their own, with
    the same done to what is in them. Any other object is the same for all.

    >>> item = {"image": np.zeros(3), "tags": ["a"]}
    >>> given = share(item)
    >>> given["tags"].append("b"); item["tags"]
    ['a']
    >>> given["image"].flags.writeable, item["image"].flags.writeable
    (False, True)
    """
    kind = type(item)
    if kind in PLAIN:
        return item
    if isinstance(item, np.ndarray):
        if not item.flags.writeable:
            return item
        view = item.view()
        view.flags.writeable = False
        return view
    if kind is list:
        return [share(each) for each in item]
    if kind is tuple:
        return tuple(map(share, item))
    if kind is dict:
        return {key: share(value) for key, value in item.items()}
    if kind is set:
        return set(item)
    if is_dataclass(item) and not isinstance(item, type) and not _is_frozen(kind):
        return _copied(item)
    return item


def _copied(item: Any) -> Any:
    made = object.__new__(type(item))
    for field in fields(item):
        object.__setattr__(made, field.name, share(getattr(item, field.name)))
    return made


def _is_frozen(kind: Any) -> bool:
    return bool(kind.__dataclass_params__.frozen)

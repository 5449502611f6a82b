"""Which part of an array somebody wants, written as text: ``10:20,:``, as NumPy writes it between brackets.

The size of what would come is known before anything is copied.
"""

import re
from collections.abc import Sequence
from math import prod

from penstock.errors import SelectionError

__all__ = ["Index", "coarser", "selected_shape", "selection"]

Index = tuple[int | slice, ...]

_ITEM = re.compile(r"\s*(?:(-?\d{1,18})|(-?\d{1,18})?\s*:\s*(-?\d{1,18})?\s*(?::\s*(-?\d{1,18})?)?)\s*")
_WRITTEN = 'write whole numbers and slices, such as "10:20,:" or "0,::4"'
_MOST = 64


def selection(text: str, shape: Sequence[int]) -> Index:
    """Return the index that a text means for an array of some shape, one entry a dimension.

    >>> selection("10:20,...", (100, 5, 6))
    (slice(10, 20, None), slice(None, None, None), slice(None, None, None))

    Raises
    ------
    SelectionError
        If it is written in another way, has more entries than there are dimensions, or a number that is outside.
    """
    items = [item.strip() for item in text.split(",")] if text.strip() else []
    if items.count("...") > 1:
        raise SelectionError(f'"{text}" has more than one "..."; one stands for all dimensions in between')
    written = [item for item in items if item != "..."]
    if len(written) > len(shape):
        raise SelectionError(f'"{text[:80]}" has {len(written)} entries for {len(shape)} dimensions')
    rest: list[int | slice] = [slice(None)] * (len(shape) - len(written))
    at = items.index("...") if "..." in items else len(written)
    index: list[int | slice] = [_item(item) for item in written]
    index[at:at] = rest
    return tuple(_inside(each, k, length) for k, (each, length) in enumerate(zip(index, shape, strict=True)))


def selected_shape(index: Index, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of what an index selects."""
    return tuple(
        len(range(*each.indices(length))) for each, length in zip(index, shape, strict=True) if isinstance(each, slice)
    )


def coarser(index: Index, shape: Sequence[int], most: int) -> tuple[Index, int]:
    """Return the index with steps widened by one factor so that it selects at most so many elements, and the factor.

    Every so manieth element is taken, the first one always; what has as few as the factor along a dimension stays one.
    """
    counts = selected_shape(index, shape)
    factor = 1
    while prod(-(-count // factor) for count in counts) > max(1, most):
        factor += 1 if factor < 16 else factor // 8
    if factor == 1:
        return index, 1
    return tuple(
        each if isinstance(each, int) else _widened(each, length, factor)
        for each, length in zip(index, shape, strict=True)
    ), factor


def _widened(each: slice, length: int, factor: int) -> slice:
    start, stop, step = each.indices(length)
    return slice(start, stop if stop >= 0 else None, step * factor)


def _item(text: str) -> int | slice:
    match = _ITEM.fullmatch(text)
    if match is None:
        raise SelectionError(f'"{text[:_MOST]}" selects nothing: {_WRITTEN}')
    number, *parts = match.groups()
    if number is not None:
        return int(number)
    start, stop, step = (None if part is None else int(part) for part in parts)
    if step == 0:
        raise SelectionError(f'"{text}" has a step of 0; steps are 1 or more, or -1 or less')
    return slice(start, stop, step)


def _inside(each: int | slice, dimension: int, length: int) -> int | slice:
    if isinstance(each, int) and not -length <= each < length:
        raise SelectionError(f"{each} is outside dimension {dimension}, which has {length} elements")
    return each

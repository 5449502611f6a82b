"""Many values as one MessagePack array, quickly where all of them are plain.

Walking 4096 small dictionaries one by one costs a microsecond each; asking for the set of their types costs a tenth.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import msgspec

from penstock.wire.values import PlaceArray, encode_value

__all__ = ["encode_all"]

_NONE: Final = type(None)
_PLAIN: Final = frozenset({_NONE, bool, int, float, str, bytes})
_DICTS: Final = frozenset({dict, _NONE})
_TEXT: Final = frozenset({str})
_FEW: Final = 16
DEEPEST: Final = 4
"""Dictionaries in dictionaries; what is deeper is walked, which also stops at one that holds itself."""
_ENCODER: Final = msgspec.msgpack.Encoder()


def encode_all(values: Sequence[Any], place: PlaceArray | None = None) -> bytes:
    """Write values of the closed list, as ``encode_value`` writes the list of them.

    Parameters
    ----------
    values
        Any number.
    place
        Asked for every array, as in ``encode_value``.

    Raises
    ------
    ResultTypeError
        If one of them is not on the closed list.
    """
    values = values if type(values) is list else list(values)
    if _are_plain(values):
        try:
            return _ENCODER.encode(values)
        except (OverflowError, UnicodeEncodeError):
            pass  # a whole number beyond 64 bits has an extension type; text that is no Unicode has an error text
    return encode_value(values, place)


def _are_plain(values: list[Any], depth: int = DEEPEST) -> bool:
    kinds = set(map(type, values))
    if kinds <= _PLAIN:
        return True
    if not kinds <= _DICTS:
        return False
    dicts: list[dict[Any, Any]] = [value for value in values if value is not None] if _NONE in kinds else values
    found = _kinds_of_alike(dicts)
    if found is None:
        if not set(map(type, chain.from_iterable(dicts))) <= _TEXT:
            return False
        found = set(map(type, _items(dicts)))
    within: set[type] = set()
    if list in found:  # as shapes are in the headers of images
        lists = [item for item in _items(dicts) if type(item) is list]
        within = set(map(type, chain.from_iterable(lists)))
    if dict in found:  # as motors are in the metadata of a scan
        inner = [item for item in _items(dicts) if type(item) is dict]
        if not depth or not _are_plain(inner, depth - 1):
            return False
    return found - {list, dict} | within <= _PLAIN


def _kinds_of_alike(dicts: list[dict[Any, Any]]) -> set[type] | None:
    """Return the types of all values of dictionaries that have the same few keys; ``None`` for others.

    Column by column that takes half as long as value by value, and user code mostly returns such.
    """
    keys = list(dicts[0])
    if not 0 < len(keys) <= _FEW or not set(map(type, keys)) <= _TEXT or len(set(map(len, dicts))) > 1:
        return None
    kinds: set[type] = set()
    try:
        for key in keys:
            kinds.update(map(type, map(itemgetter(key), dicts)))
    except KeyError:
        return None
    return kinds


def _items(dicts: list[dict[Any, Any]]) -> Iterable[Any]:
    return chain.from_iterable(map(dict.values, dicts))

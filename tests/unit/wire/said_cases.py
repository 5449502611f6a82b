"""What the tests of lists that travel share: any value of any kind that may be said, made from its declaration."""

from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

from penstock.testing.hostile import GARBAGE, IMAGE_HEADERS, JSON, PICKLES

HOSTILE = {name: data for corpus in (GARBAGE, JSON, PICKLES, IMAGE_HEADERS) for name, data in corpus.items()}
"""Bytes that are no list of ours, by name."""

TEXT_THAT_IS_NONE = b"\xa3\xff\xfe\xff"
"""A MessagePack text of three bytes that are no Unicode."""

DEEP = b"\x91" * 100_000 + b"\x01"
"""Lists in lists, deeper than anybody reads."""

_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    NoneType: st.none(),
    bool: st.booleans(),
    str: st.text(max_size=6),
    bytes: st.binary(max_size=6),
    memoryview: st.binary(max_size=6).map(memoryview),
    msgspec.Raw: (st.none() | st.integers(0, 300) | st.lists(st.booleans(), max_size=3)).map(
        lambda value: msgspec.Raw(msgspec.msgpack.encode(value))
    ),
}


def kinds_of(union: Any) -> list[Any]:
    """Return the classes of a union, as it is declared."""
    return list(get_args(union))


@cache
def any_of(form: Any) -> st.SearchStrategy[Any]:
    """Any value of a declared type: numbers at their limits, texts of all scripts, structures to the bottom."""
    if form in _PLAIN:
        return _PLAIN[form]
    if form is int:
        return _integers(-(2**63), 2**64 - 1)
    if get_origin(form) is Annotated:
        base, meta = get_args(form)
        assert base is int
        return _integers(meta.ge, meta.le)
    if get_origin(form) in (Union, UnionType):
        return st.one_of(*map(any_of, get_args(form)))
    if get_origin(form) is Literal:
        return st.sampled_from(get_args(form))
    if get_origin(form) is tuple:
        return _tuples(get_args(form))
    if issubclass(form, Enum):
        return st.sampled_from(form)
    assert issubclass(form, msgspec.Struct)
    return st.builds(form, **{name: any_of(each) for name, each in _fields(form).items()})


def _fields(form: type[msgspec.Struct]) -> dict[str, Any]:
    hints = get_type_hints(form, include_extras=True)
    return {field.name: hints[field.name] for field in msgspec.structs.fields(form)}


def _integers(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high) | st.integers(0, 9) | st.sampled_from([low, high])


def _tuples(forms: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if forms[-1] is Ellipsis:
        return st.lists(any_of(forms[0]), max_size=3).map(tuple)
    return st.tuples(*map(any_of, forms))

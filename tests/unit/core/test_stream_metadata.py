"""Metadata of streams: what JSON can hold comes out as a value of its own, and anything else is named and refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.stream_metadata import changed_metadata, plain_json
from penstock.errors import ConflictError, StreamError

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
OBJECTS = st.dictionaries(st.text(max_size=2), VALUES, max_size=4)


@given(OBJECTS)
def test_what_json_holds_is_taken_and_copied(value: dict[str, Any]) -> None:
    taken = plain_json(value, "here")
    assert taken == value == json.loads(json.dumps(taken))
    taken["more"] = 1
    assert taken != {**value, "more": 2}
    inner = [1]
    copied = plain_json({"a": inner, "b": (2, 3)}, "here")
    inner.append(4)
    assert copied == {"a": [1], "b": [2, 3]}


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": float("nan")}, r"\['a'\]: JSON cannot hold nan"),
        ({"a": [1, {"b": b"x"}]}, r"\['a'\]\[1\]\['b'\]"),
        ({"a": {1: 2}}, r"\['a'\]: the key 1 is no text"),
        ({"a": "\ud800"}, r"\['a'\]"),
        ({"a": {1, 2}}, "set"),
        ({"a": 1 + 2j}, "complex"),
    ],
)
def test_anything_else_is_refused_with_its_place(value: dict[str, Any], place: str) -> None:
    with pytest.raises(StreamError, match=place):
        plain_json(value, "here")


def test_what_holds_itself_is_refused() -> None:
    value: dict[str, Any] = {}
    value["self"] = value
    with pytest.raises(StreamError, match="holds itself"):
        plain_json(value, "here")


@given(OBJECTS, OBJECTS)
def test_an_update_sets_what_is_named_and_keeps_the_rest(old: dict[str, Any], new: dict[str, Any]) -> None:
    updated = changed_metadata("b/s", old, new, "update", upsert=True)
    for path, leaf in leaves(updated):
        assert at(new, path, at(old, path)) == leaf
    assert changed_metadata("b/s", updated, new, "update", upsert=True) == updated


def test_an_update_reaches_one_leaf() -> None:
    old = {"data": "test", "embedded": {"edata": 1, "kept": [1]}}
    assert changed_metadata("b", old, {"embedded": {"edata": 2}}, "update", upsert=True) == {
        "data": "test",
        "embedded": {"edata": 2, "kept": [1]},
    }
    assert old["embedded"] == {"edata": 1, "kept": [1]}


def test_modes_differ_in_what_they_need() -> None:
    with pytest.raises(ConflictError, match="b/s has metadata already"):
        changed_metadata("b/s", {}, {"a": 1}, "insert", upsert=True)
    for mode in ("replace", "update"):
        with pytest.raises(StreamError, match=f"no metadata to {mode}"):
            changed_metadata("b/s", None, {"a": 1}, mode, upsert=False)
        assert changed_metadata("b/s", None, {"a": 1}, mode, upsert=True) == {"a": 1}
    assert changed_metadata("b/s", None, {"a": 1}, "insert", upsert=False) == {"a": 1}
    assert changed_metadata("b/s", {"b": 2}, {"a": 1}, "replace", upsert=False) == {"a": 1}
    with pytest.raises(StreamError, match="replace, update or insert"):
        changed_metadata("b/s", None, {"a": 1}, "upsert", upsert=True)  # type: ignore[arg-type]
    with pytest.raises(StreamError, match="mapping, not list"):
        changed_metadata("b/s", None, [1], "replace", upsert=True)  # type: ignore[arg-type]


def leaves(value: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found: list[tuple[tuple[str, ...], Any]] = []
    for key, item in value.items():
        found += leaves(item, (*path, key)) if isinstance(item, dict) else [((*path, key), item)]
    return found


def at(value: Any, path: tuple[str, ...], default: Any = None) -> Any:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return default
        value = value[key]
    return value

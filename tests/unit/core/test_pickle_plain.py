"""Pickles of which more is allowed than arrays: containers, times and listed dataclasses; nothing else ever runs."""

import os
import pickle
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.pickle_plain import allowed_dataclasses
from penstock.core.unpickle import unpickle
from penstock.errors import RemoteProtocolError
from penstock.testing.hostile import PICKLES
from tests.unit.core.test_unpickle import PLAIN_NAMES


@dataclass
class Alert:
    name: str
    where: Any


@dataclass(frozen=True, slots=True)
class Frozen:
    a: int
    b: Any = None


@dataclass(slots=True)
class Slotted:
    a: int


@dataclass
class Loud:
    text: str

    def __post_init__(self) -> None:
        raise AssertionError("a pickle must not run this")

    def __setstate__(self, state: Any) -> None:
        raise AssertionError("a pickle must not run this either")


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch evil-was-here",)


HERE = __name__
ALLOWED = allowed_dataclasses({f"{HERE}:{cls.__name__}": cls for cls in (Alert, Frozen, Slotted, Loud)})

zones = st.sampled_from([None, UTC, timezone(timedelta(hours=-3, minutes=30))])
hashable = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(), st.dates(),
    st.datetimes(timezones=zones), st.timedeltas(), st.complex_numbers(allow_nan=False),
)  # fmt: skip
trees = st.recursive(
    hashable | st.sets(hashable, max_size=3) | st.frozensets(hashable, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.builds(Alert, st.text(), inner)
        | st.builds(Frozen, st.integers(), inner)
        | st.builds(Slotted, st.integers())
    ),
    max_leaves=10,
)


@given(trees, st.integers(2, 5))
def test_what_is_allowed_comes_back(value: Any, protocol: int) -> None:
    assert unpickle(pickle.dumps(value, protocol), ALLOWED) == value


def test_arrays_lie_in_dataclasses_and_sets_in_sets() -> None:
    found = unpickle(pickle.dumps(Alert("a", np.arange(3))), ALLOWED)
    assert found.where.tolist() == [0, 1, 2]
    assert unpickle(pickle.dumps({frozenset({(1, frozenset({2}))})}), ALLOWED) == {frozenset({(1, frozenset({2}))})}


def test_a_dataclass_is_filled_in_without_running_its_code() -> None:
    loud = object.__new__(Loud)
    loud.text = "quiet"
    assert unpickle(pickle.dumps(loud), ALLOWED).text == "quiet"


def test_nothing_that_a_pickle_names_is_called(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for protocol in range(6):
        with pytest.raises(RemoteProtocolError):
            unpickle(pickle.dumps({"a": [Evil()]}, protocol), ALLOWED)
    assert not list(tmp_path.iterdir())


def test_what_is_not_listed_is_named_with_what_is() -> None:
    with pytest.raises(RemoteProtocolError, match=r"posix\.system, which is not allowed; allowed are .*set.*:Alert"):
        unpickle(pickle.dumps(Evil()), ALLOWED)
    with pytest.raises(RemoteProtocolError, match=r"Alert, which is not allowed"):
        unpickle(pickle.dumps(Alert("a", 1)), allowed_dataclasses({}))


@pytest.mark.parametrize("name", sorted(set(PICKLES) - PLAIN_NAMES))
def test_hostile_pickles_are_refused_here_too(name: str) -> None:
    with pytest.raises(RemoteProtocolError):
        unpickle(PICKLES[name], ALLOWED)


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def named(module: str, name: str) -> bytes:
    return b"\x80\x04" + short(module) + short(name) + b"\x93"


@pytest.mark.parametrize(
    "pickled",
    [
        named(HERE, "Alert") + b")R.",
        named(HERE, "Alert") + b")\x81.",
        named(HERE, "Alert") + b"K\x01\x85\x81}b.",
        named(HERE, "Alert") + b")\x81}" + short("name") + b"Nsb.",
        named(HERE, "Alert") + b")\x81Nb.",
        named("builtins", "set") + b"K\x01\x85R.",
        named("builtins", "set") + b"]]a\x85R.",
        named("builtins", "set") + b")\x81.",
        named("builtins", "complex") + b"K\x01\x85R.",
        named("builtins", "complex") + short("1j") + b"\x85R.",
        named("datetime", "datetime") + b"C\x03abc\x85R.",
        named("datetime", "datetime") + b"C\x0a" + b"\xff" * 10 + b"\x85R.",
        named("datetime", "datetime") + b")R.",
        named("datetime", "datetime") + b"C\x0a\x07\xea\x01\x01\x01\x01\x01\x01\x01\x01N\x86R.",
        named("datetime", "date") + b"C\x04\xff\xff\xff\xff\x85R.",
        named("datetime", "timedelta") + b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7fK\x00\x87R.",
        named("datetime", "timedelta") + b"K\x01\x85R.",
        named("datetime", "timezone") + b"K\x01\x85R.",
        b"\x80\x04\x8f(]\x90.",
        b"\x80\x04](K\x01\x90.",
        b"\x80\x04(]\x91.",
        b"\x80\x04\x8f\x94(h\x00\x90.",
        b"\x80\x04\x91.",
    ],
    ids=range(23),
)
def test_what_is_put_together_wrongly_is_refused(pickled: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        unpickle(pickled, ALLOWED)


@given(st.binary(max_size=200))
def test_garbage_gives_the_one_error(garbage: bytes) -> None:
    try:
        unpickle(b"\x80\x04" + garbage, ALLOWED)
    except RemoteProtocolError:
        return


WHOLE = pickle.dumps([Alert("a", {1, 2}), datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1), Frozen(1)], 4)


@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=4))
def test_damage_gives_a_value_or_the_one_error(at: int, put: bytes) -> None:
    try:
        unpickle(WHOLE[:at] + put + WHOLE[at + len(put) :], ALLOWED)
    except RemoteProtocolError:
        return


def test_only_dataclasses_may_be_listed() -> None:
    with pytest.raises(ValueError, match="os:system is no dataclass"):
        allowed_dataclasses({"os:system": os.system})  # type: ignore[dict-item]  # as a pipeline may have it

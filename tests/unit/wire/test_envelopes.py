"""Envelopes as bytes and back: whatever is said is heard, and what nobody says is refused."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import RemoteProtocolError
from penstock.wire.envelopes import Close, Drop, Envelope, Free, Opened, Read, Stop, open_envelopes, seal
from tests.unit.wire.block_cases import Corrupt, corruptions
from tests.unit.wire.said_cases import DEEP, HOSTILE, TEXT_THAT_IS_NONE, any_of, kinds_of

KINDS = kinds_of(Envelope)
ENVELOPES = st.one_of(*map(any_of, KINDS))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_envelope_comes_back(kind: Any, data: st.DataObject) -> None:
    said = data.draw(any_of(kind))
    assert open_envelopes(seal([said])) == [said]


@given(st.lists(ENVELOPES, max_size=5))
def test_a_list_comes_back_in_its_order(said: list[Any]) -> None:
    assert open_envelopes(seal(said)) == said


def test_no_two_kinds_are_told_by_the_same_number() -> None:
    tags = [kind.__struct_config__.tag for kind in KINDS]
    assert len(set(tags)) == len(tags)


@given(st.lists(ENVELOPES, min_size=1, max_size=3), corruptions())
def test_damaged_bytes_are_refused_or_are_envelopes(said: list[Any], corrupt: Corrupt) -> None:
    try:
        found = open_envelopes(corrupt(seal(said)))
    except RemoteProtocolError:
        return
    assert all(type(each) in KINDS for each in found)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_are_envelopes(data: bytes) -> None:
    try:
        found = open_envelopes(data)
    except RemoteProtocolError:
        return
    assert all(type(each) in KINDS for each in found)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_refused(name: str) -> None:
    with pytest.raises(RemoteProtocolError, match="are no envelopes"):
        open_envelopes(HOSTILE[name])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x91\x91\x63", id="a kind that nobody has"),
        pytest.param(b"\x91\x91\x04", id="what is only a part of envelopes"),
        pytest.param(b"\x91\x90", id="no kind at all"),
        pytest.param(b"\x91\x92\x16\x01", id="a field too many"),
        pytest.param(b"\x91\x92\x1f\xa1a", id="a text for a list"),
        pytest.param(b"\x91\x93\x0b" + TEXT_THAT_IS_NONE + b"\x01", id="a text that is none"),
        pytest.param(b"\x91\x93\x2d\x01\x01" + DEEP, id="deeper than anybody reads"),
        pytest.param(b"\x91\x94\x2d\x01\x01" + DEEP, id="deeper than anybody reads where anything may stand"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="a list longer than the message"),
        pytest.param(b"\x91\x92\x1f\xdd\xff\xff\xff\xff", id="a list in it longer than the message"),
    ],
)
def test_what_is_no_envelope_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=f"{len(data)} bytes are no envelopes"):
        open_envelopes(data)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_field_too_many_is_refused_in_every_kind(kind: Any) -> None:
    names = msgspec.structs.fields(kind)
    data = msgspec.msgpack.encode([[kind.__struct_config__.tag, *([0] * len(names)), 0]])
    with pytest.raises(RemoteProtocolError):
        open_envelopes(data)


def test_what_is_said_most_is_short() -> None:
    assert len(seal([Opened(is_file=False), Stop(), Close(), Read()])) < 60
    assert len(seal([Free(1, tuple(range(100))), Drop(tuple(range(100)))])) < 220

"""What supervisor and event builder say, as bytes and back: whatever is said is heard, and nothing else is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import RemoteProtocolError
from penstock.wire.supervision import Word, open_orders, seal_orders
from tests.unit.wire.block_cases import Corrupt, corruptions
from tests.unit.wire.said_cases import DEEP, HOSTILE, TEXT_THAT_IS_NONE, any_of, kinds_of

KINDS = kinds_of(Word)
WORDS = st.one_of(*map(any_of, KINDS))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_word_comes_back(kind: Any, data: st.DataObject) -> None:
    said = data.draw(any_of(kind))
    assert open_orders(seal_orders([said])) == [said]


@given(st.lists(WORDS, max_size=5))
def test_a_list_comes_back_in_its_order(said: list[Any]) -> None:
    assert open_orders(seal_orders(said)) == said


@given(st.lists(WORDS, min_size=1, max_size=3), corruptions())
def test_damaged_bytes_are_refused_or_are_words(said: list[Any], corrupt: Corrupt) -> None:
    try:
        found = open_orders(corrupt(seal_orders(said)))
    except RemoteProtocolError:
        return
    assert all(type(each) in KINDS for each in found)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bytes_are_refused(name: str) -> None:
    with pytest.raises(RemoteProtocolError, match="are no words of supervision"):
        open_orders(HOSTILE[name])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x91\x91\x63", id="a word that nobody has"),
        pytest.param(b"\x91\x92\x03\x01", id="a field too many"),
        pytest.param(b"\x91\x92\x05" + TEXT_THAT_IS_NONE, id="a text that is none"),
        pytest.param(b"\x91\x94\x04\x01\x01" + DEEP, id="deeper than anybody reads where anything may stand"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="a list longer than the message"),
    ],
)
def test_what_is_no_word_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=f"{len(data)} bytes are no words of supervision"):
        open_orders(data)

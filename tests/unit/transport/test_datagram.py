"""Datagrams: what was joined comes apart as it was; broken lengths are refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import RemoteProtocolError
from penstock.transport.datagram import HEAD_BYTES, join_messages, split_datagram

MESSAGES = st.lists(st.binary(max_size=40), max_size=30)


@given(MESSAGES, st.integers(44, 300))
def test_messages_come_back_in_order(messages: list[bytes], limit: int) -> None:
    datagrams = list(join_messages(messages, limit))
    assert all(0 < len(datagram) <= limit for datagram in datagrams)
    assert [bytes(message) for datagram in datagrams for message in split_datagram(datagram)] == messages


@given(MESSAGES, st.integers(44, 300))
def test_no_datagram_could_have_taken_the_next_ones_first_message(messages: list[bytes], limit: int) -> None:
    datagrams = list(join_messages(messages, limit))
    for datagram, after in pairwise(datagrams):
        assert len(datagram) + HEAD_BYTES + len(split_datagram(after)[0]) > limit


@given(st.binary(max_size=100))
def test_any_bytes_come_apart_or_are_refused(datagram: bytes) -> None:
    try:
        messages = split_datagram(datagram)
    except RemoteProtocolError:
        return
    assert b"".join(join_messages([bytes(m) for m in messages], 1000)) == datagram


@pytest.mark.parametrize("datagram", [b"\1", b"\1\0\0", b"\1\0\0\0", b"\0\0\0\0\2\0\0\0a", b"\xff\xff\xff\xff"])
def test_lengths_that_do_not_add_up_are_refused(datagram: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match=r"message \d of a datagram ends at"):
        split_datagram(datagram)


def test_a_message_too_long_for_any_datagram_is_refused() -> None:
    with pytest.raises(ValueError, match="a message of 97 bytes; a datagram takes 96"):
        list(join_messages([bytes(97)], 100))
    assert len(list(join_messages([bytes(96)], 100))) == 1

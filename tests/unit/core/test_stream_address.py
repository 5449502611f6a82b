"""Addresses of durable streams: any names, written so that they can be read again, and kept apart as folders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.stream_address import MOST_BYTES, StreamAddress, encoded_name
from penstock.errors import StreamError

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(st.lists(NAMES, min_size=1, max_size=3))
def test_what_is_written_is_read_again(names: list[str]) -> None:
    address = StreamAddress(*names)
    assert StreamAddress.parse(str(address)) == address
    assert len(address.folders) == len(names)


@given(NAMES, NAMES)
def test_different_names_are_different_folders_and_never_leave_their_own(one: str, other: str) -> None:
    assert (encoded_name(one) == encoded_name(other)) == (one == other)
    assert "/" not in encoded_name(one)
    assert not encoded_name(one).startswith(".")


def test_an_address_holds_what_lies_below_it() -> None:
    source = StreamAddress("b", "eiger")
    assert StreamAddress("b", "eiger", "run") in source
    assert source in StreamAddress("b")
    assert source not in StreamAddress("b", "eiger", "run")
    assert StreamAddress("b", "eiger 2", "run") not in source


@pytest.mark.parametrize("text", ["", "/", "a//b", "a/b/c/d", "%FF/a/b", "a/", "/a"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(StreamError, match="is no address"):
        StreamAddress.parse(text)


def test_a_name_that_no_file_system_takes_is_refused() -> None:
    with pytest.raises(StreamError, match=f"at most {MOST_BYTES}"):
        StreamAddress("b", "s", "ä" * 60)

"""The binary side of ASAPO's protocol: headers, replies, what a producer says of itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.asapo.wire import (
    HEADER_BYTES,
    REPLY_BYTES,
    Authorisation,
    Header,
    MetadataWish,
    Op,
    json_value,
    next_stream_of,
    read_reply,
    reply,
)
from penstock.errors import RemoteProtocolError, StreamError

U64 = st.integers(0, 2**64 - 1)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)
HEADERS = st.builds(
    Header, st.integers(0, 255), U64, U64, U64, U64, U64, U64, TEXT, TEXT, st.sampled_from(["v0.7", "v0.1", ""])
)


@given(HEADERS, st.binary(min_size=1100, max_size=1100))
def test_a_header_is_read_as_it_was_packed_whatever_lies_behind_its_texts(header: Header, garbage: bytes) -> None:
    packed = bytearray(header.pack())
    assert len(packed) == HEADER_BYTES
    for begin, size, text in ((56, 1024, header.name), (1080, 1024, header.stream), (2104, 10, header.version)):
        end = begin + len(text.encode()) + 1
        packed[end : begin + size] = garbage[: begin + size - end]
    packed[1:8], packed[2114:] = garbage[:7], garbage[:6]
    assert Header.parse(packed) == header


@given(st.binary(min_size=HEADER_BYTES, max_size=HEADER_BYTES))
def test_garbage_is_a_header_or_refused(data: bytes) -> None:
    try:
        header = Header.parse(data)
    except RemoteProtocolError:
        return
    assert Header.parse(header.pack()) == header


def test_bytes_of_a_header_lie_where_clients_have_them() -> None:
    packed = Header(2, 3, 4, 5, 13, 7, 8, "processed/f", "ä", "v0.7").pack()
    assert packed[0] == 2
    assert [int.from_bytes(packed[at : at + 8], "little") for at in range(8, 56, 8)] == [3, 4, 5, 13, 7, 8]
    assert (packed[56:68], packed[1080:1083], packed[2104:2109]) == (b"processed/f\0", b"\xc3\xa4\0", b"v0.7\0")


def test_a_text_without_an_end_is_refused() -> None:
    packed = bytearray(Header(2).pack())
    packed[56:1080] = b"x" * 1024
    with pytest.raises(RemoteProtocolError, match="has no end"):
        Header.parse(packed)
    with pytest.raises(RemoteProtocolError, match="too long"):
        Header(2, name="x" * 1024).pack()


@given(st.integers(0, 255), st.sampled_from([0, 1, 2, 3, 5, 6, 65535]), st.text(max_size=3000))
def test_a_reply_always_ends(op: int, code: int, text: str) -> None:
    packed = reply(op, code, text)
    assert len(packed) == REPLY_BYTES
    assert packed[-1] == 0
    said = text.encode("utf-8", "replace").decode().replace("\0", " ")
    assert read_reply(packed)[:2] == (op, code)
    read = read_reply(packed)[2]
    assert said.startswith(read)
    assert len(said.encode()) < 1024 or len(read.encode()) > 1019


@pytest.mark.parametrize(
    ("mode", "op", "follows"),
    [
        (13, Op.DATA, True),
        (2, Op.DATA, False),
        (10, Op.DATASET, False),
        (0, Op.METADATA, True),
        (13, Op.AUTHORISE, False),
    ],
)
def test_it_is_known_whether_a_payload_follows(mode: int, op: Op, follows: bool) -> None:
    assert Header(op, size=5, mode=mode).has_payload is follows


FIELD = st.text(st.characters(exclude_characters="%\0", exclude_categories=["Cs"]), max_size=20)


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.builds(Authorisation, st.sampled_from(["raw", "processed"]), FIELD, FIELD, FIELD, FIELD, ANY_TEXT, FIELD))
def test_what_a_producer_says_of_itself_is_read_also_with_a_percent_in_its_source(said: Authorisation) -> None:
    assert Authorisation.parse(said.pack()) == said


@pytest.mark.parametrize("data", [b"", b"raw%a%b%c%d%e", b"other%a%b%c%d%e%f", b"raw%\xff%b%c%d%e%f"])
def test_what_is_no_authorisation_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Authorisation.parse(data)


@pytest.mark.parametrize("number", [0, 4, 10, 14, 22, 2**63])
def test_an_unknown_mode_of_metadata_is_refused(number: int) -> None:
    with pytest.raises(StreamError, match="metadata cannot be set"):
        MetadataWish.of(number)


@pytest.mark.parametrize("data", [b"[1]", b"{", b"null", b"[" * 100_000, b'"\xff"'])
def test_json_that_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(StreamError, match="it "):
        json_value(data, "it")


def test_the_literal_for_no_next_stream_is_none() -> None:
    said: list[dict[str, object]] = [{"next_stream": "a"}, {"next_stream": "asapo_no_next"}, {}, {"next_stream": 1}]
    assert list(map(next_stream_of, said)) == ["a", "", "", ""]

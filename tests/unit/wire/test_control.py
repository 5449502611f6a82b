"""Commands and answers as bytes: there and back, and whatever else comes is refused with a reason."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.core.command import Acknowledgement, Command, Reply
from penstock.errors import RemoteProtocolError
from penstock.wire.control import LONGEST, close_command, close_word, open_command, open_word

HOSTILE = [
    b"", b"\x00", b"\xff\xfe", b"{", b"{}", b"[]", b"null", b'"status"', b"5", b"NaN", b'{"name": 5}',
    b'{"name": "status", "nmae": "x"}', b'{"name": "status", "arguments": [1]}', b'{"name": "status", "id": 7}',
    b'{"name": "stat\xff"}', b'{"name": "\\ud800"}', b"[" * 200_000, b'{"name":"a","arguments":' + b'{"a":' * 100_000,
    b'{"header": {"type": 0, "subtype": "start"}}', b"\x80\x04\x95cposix\nsystem\n", b" " * (LONGEST + 1),
]  # fmt: skip


def test_a_command_comes_back() -> None:
    command = Command(name="set", id="7", target="fit", arguments={"values": {"roi": [1, 2.5, None]}}, who="me")
    wish = open_command(close_command(command, "secret"))
    assert (wish.command, wish.token) == (command, "secret")
    assert open_command(b'{"name": "status"}').command == Command(name="status")


@pytest.mark.parametrize(
    "word",
    [
        Acknowledgement(id="7", name="set"),
        Reply(id="7", name="set", target="fit", outcome="done", text="so", body={"revision": 1}),
    ],
)
def test_an_answer_comes_back(word: Acknowledgement | Reply) -> None:
    data = close_word(word)
    assert open_word(data) == word
    assert msgspec.json.decode(data)["type"] == type(word).__name__.lower()


@pytest.mark.parametrize("data", HOSTILE, ids=lambda data: repr(data[:20]))
def test_hostile_bytes_are_refused_with_a_reason(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        open_command(data)
    assert len(str(caught.value)) < 500
    with pytest.raises(RemoteProtocolError):
        open_word(data)


@given(st.binary())
@example(b'{"name": "status", "arguments": {"a": 1e999}}')
@example(b'{"name": "status", "arguments": {"a": 123456789012345678901234567890}}')
def test_any_bytes_are_a_command_or_an_error_of_ours(data: bytes) -> None:
    try:
        wish = open_command(data)
    except RemoteProtocolError:
        return
    assert isinstance(wish.command, Command)

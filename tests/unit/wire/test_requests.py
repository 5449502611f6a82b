"""Requests and their answers, as bytes and back."""

import msgspec
import pytest

from penstock.errors import RemoteProtocolError
from penstock.wire.requests import (
    Ended,
    Refused,
    Start,
    Started,
    StartRequest,
    decode,
    decode_arguments,
    encode,
    encode_arguments,
)


class Recipe(msgspec.Struct):
    grams: int


@pytest.mark.parametrize("message", [Start(3), Started(3, 77), Refused(3, "no"), Ended(3, code=1), Ended(3, signal=9)])
def test_messages_come_back(message: Start | Started | Refused | Ended) -> None:
    assert decode(encode(message), type(message)) == message


def test_a_request_comes_back_with_its_arguments() -> None:
    request = StartRequest(
        name="worker",
        function="module:function",
        arguments=encode_arguments({"a": [1, 2.5, None, b"x"]}),
        path=("/somewhere",),
        cpus=(0, 3),
    )
    found = decode(encode(request), StartRequest)
    assert (found.name, found.function, found.path, found.cpus) == (
        "worker",
        "module:function",
        ("/somewhere",),
        (0, 3),
    )
    assert not found.is_captured
    assert decode_arguments(found.arguments) == {"a": [1, 2.5, None, b"x"]}


def test_arguments_become_what_is_declared() -> None:
    assert decode_arguments(encode_arguments(Recipe(3)), Recipe) == Recipe(3)
    with pytest.raises(RemoteProtocolError, match=r"are not what the function declares: .*grams"):
        decode_arguments(encode_arguments({}), Recipe)


def test_what_cannot_be_encoded_is_refused() -> None:
    with pytest.raises(TypeError):
        encode_arguments({"function": print})


@pytest.mark.parametrize("data", [b"", b"\xc1", encode(Start(1)), encode(Ended(1))[:-1]])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="do not understand each other"):
        decode(data, Ended)

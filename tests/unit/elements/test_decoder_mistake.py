"""Decoders with mistakes: the reading ends with an error that tells their author what would be right."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from penstock.core.block_builder import BlockBuilder
from penstock.core.message import Message
from penstock.elements.decoder_mistake import decoder_mistake
from penstock.elements.decoding import Decoding
from penstock.errors import RemoteProtocolError, UserCodeError
from penstock.protocols.stins import StinsDecoder


def read(feed: Callable[[], Any], times: int = 1) -> list[str]:
    """Feed some packets to a decoder that gives what is asked for; return what was lost."""

    class MyDecoder(StinsDecoder):
        def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Any:
            return feed()

    decoding = Decoding(MyDecoder(), BlockBuilder("counter"))
    for _ in range(times):
        decoding.feed([b""], 1)
    return decoding.reading().unparsable


def refuses() -> Any:
    raise RemoteProtocolError("no packet")


def breaks() -> Any:
    raise IndexError("list index out of range")


def breaks_later() -> Any:
    yield Message()
    breaks()


@pytest.mark.parametrize(
    ("feed", "says"),
    [
        (
            breaks,
            "MyDecoder raised IndexError: list index out of range; for a packet that breaks the protocol raise Rem",
        ),
        (breaks_later, "MyDecoder raised IndexError: list index out of range; for a packet"),
        (lambda: None, "MyDecoder.feed gave nothing that can be gone through (TypeError: 'NoneType'"),
        (Message, "MyDecoder.feed gave nothing that can be gone through (TypeError: 'Message'"),
        (
            lambda: [{"a": 1}],
            "MyDecoder.feed gave a message that is none: it is of type dict, no Message; penstock.test",
        ),
        (
            lambda: [Message(array=[1, 2])],
            "MyDecoder.feed gave a message that is none: its array is of type list; it mu",
        ),
        (lambda: [Message(key=-1)], "MyDecoder.feed gave a message that is none: OverflowError: "),
    ],
)
def test_the_author_is_told(feed: Callable[[], Any], says: str) -> None:
    for times in (1, 2):
        with pytest.raises(UserCodeError) as raised:
            read(feed, times)
        assert str(raised.value).startswith(f"source counter: {says}")
        assert raised.value.stage == "counter"
        assert raised.value.__cause__ is not None


def test_what_is_right_is_no_mistake() -> None:
    assert read(lambda: [Message(key=1, array=np.zeros(3))], 2) == []
    assert read(refuses, 2) == ["no packet", "no packet"]


def test_a_finish_that_breaks_is_told_too() -> None:
    class MyDecoder(StinsDecoder):
        def finish(self) -> Any:
            breaks()

    with pytest.raises(UserCodeError, match="source counter: MyDecoder raised IndexError"):
        Decoding(MyDecoder(), BlockBuilder("counter")).finish(1)


def test_an_error_that_was_never_raised_is_told_as_well() -> None:
    assert "TypeError: odd" in decoder_mistake(StinsDecoder(), None, TypeError("odd"))

"""The tests that decoders inherit: they find the mistakes of a newcomer, and say what would be right."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from penstock.core import Message
from penstock.protocols.stins import StinsDecoder, encode_end, encode_image, encode_start
from penstock.testing import DecoderTests

IMAGE = b"\x01\x02"


def suite(changed: Callable[[Message], Any], *, raises: type[Exception] | None = None) -> DecoderTests:
    """Return the tests of a decoder that changes what a good one gives."""

    class MyDecoder(StinsDecoder):
        def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Any:
            if raises is not None and len(parts) > 2:
                raise raises("oops")
            (message,) = super().feed(parts, received_ns)
            return changed(message)

    class MyTests(DecoderTests):
        decoder = MyDecoder

        def scan(self) -> Any:
            images = [[encode_image(n, IMAGE, shape=[2], type="uint8")] for n in range(2)]
            return [[encode_start("a")], *images, [encode_end()]]

    return MyTests()


def test_a_good_one_passes() -> None:
    tests = suite(lambda message: iter([message]))
    for name in (name for name in dir(DecoderTests) if name.startswith("test_")):
        getattr(tests, name)()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (lambda message: None, "feed returned a NoneType; yield messages, or return iter"),
        (lambda message: message, "feed returned a Message; yield messages, or return iter"),
        (lambda message: [message.metadata], "message 0 of the scan is none: it is of type dict, no Message"),
        (lambda message: [Message(key=-1, kind=message.kind)], "message 0 of the scan is none: its key is -1; it must"),
        (lambda message: [Message(kind=message.kind)], "the traits and the keys disagree"),
    ],
)
def test_what_is_given_wrongly_is_named(changed: Callable[[Message], Any], says: str) -> None:
    with pytest.raises(AssertionError) as raised:
        suite(changed).test_a_scan_is_decoded()
    assert str(raised.value).startswith(says)


def test_any_other_error_is_let_through() -> None:
    with pytest.raises(ValueError, match="oops"):
        suite(lambda message: [message], raises=ValueError).test_a_missing_or_further_part_is_refused()

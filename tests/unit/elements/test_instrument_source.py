"""Sources that name a decoder: they are what its traits say, and a wrong one is refused where it is written."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from penstock.core import Message
from penstock.elements import Decoder, TcpSource, Traits, ZmqSource


class Says(Decoder):
    """Decodes nothing, but says how it is received."""

    traits = Traits(number="gate", socket="pull")

    def feed(self, parts: Sequence[bytes | memoryview], received_ns: int) -> Iterator[Message]:
        """Decode nothing."""
        yield from ()


class Mute(Decoder):
    """Says nothing of itself."""


def test_a_source_has_the_traits_of_its_decoder() -> None:
    class Counter(ZmqSource):
        decoder = Says

    class Same(Counter):
        pass

    class Subscribed(Says):
        traits = Traits(number="frame", socket="sub")

    class Other(ZmqSource):
        decoder = Subscribed

    assert [source.traits.number for source in (Counter, Same, Other)] == ["gate", "gate", "frame"]


def test_traits_of_its_own_go_before() -> None:
    class Counter(ZmqSource):
        decoder = Says
        traits = Traits(number="trigger")

    assert Counter.traits.number == "trigger"


@pytest.mark.parametrize(
    ("base", "decoder", "says"),
    [
        (ZmqSource, Says(), "Counter.decoder is a Says; write decoder = the class of a Decoder"),
        (ZmqSource, ZmqSource, "Counter.decoder is the class ZmqSource; write decoder = the class of a Decoder"),
        (ZmqSource, Mute, 'Mute has no traits; write traits = Traits(socket=...), with "pull" or "sub"'),
        (TcpSource, Says, 'Says.traits.socket is "pull"; Counter needs "tcp"'),
    ],
)
def test_a_decoder_that_is_none_is_refused(base: type, decoder: Any, says: str) -> None:
    with pytest.raises(TypeError) as raised:
        type("Counter", (base,), {"decoder": decoder})
    assert str(raised.value) == says

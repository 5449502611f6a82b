"""What every instrument's decoder must do, as tests to inherit.

A subclass says which decoder and what a scan looks like; the rest is proven here::

    class TestMyDecoder(DecoderTests):
        decoder = MyDecoder

        def scan(self):
            return [[encode_start()], [encode_image(0)], [encode_image(1)], [encode_end()]]
"""

import random
import tracemalloc
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from penstock.core.block import Block
from penstock.core.decoder import Decoder
from penstock.core.message import Kind, Message, flaw_of
from penstock.errors import RemoteProtocolError
from penstock.testing import hostile

__all__ = ["DecoderTests", "decoded", "described"]

Packet = Sequence[bytes]
Unit = Sequence[Packet]
"""The packets that make one message or heartbeat; usually one."""

MEMORY_BYTES = 64 << 20
"""What a hostile packet of less than 1 MB may make a decoder allocate."""


class DecoderTests(ABC):
    """Conformance of one decoder."""

    decoder: ClassVar[type[Decoder]]
    _expected: list[Any] | None = None

    @abstractmethod
    def scan(self) -> Sequence[Unit]:
        """Return a whole scan: what is sent from before the start until after the end, with two messages or more."""

    def hostile(self) -> Iterable[tuple[str, Packet]]:
        """Return packets that must be refused; more can be added. In a byte stream each becomes a line."""
        if self.decoder.is_byte_stream:
            return [(name, [raw + b"\n"]) for name, raw in hostile.GARBAGE.items() if raw.strip()]
        return hostile.packets()

    def test_a_scan_is_decoded(self) -> None:
        messages = self._good()
        for number, message in enumerate(messages):
            flaw = flaw_of(message)
            assert not flaw, f"message {number} of the scan is none: {flaw}"
        data = [message for message in messages if message.kind is Kind.DATA]
        assert len(data) >= 2, "the scan of this test should have at least two messages of data"
        if self.decoder.traits.has_start:
            assert messages[0].kind is Kind.START
        if self.decoder.traits.has_end:
            assert messages[-1].kind is Kind.END
        assert (data[0].key is not None) == bool(self.decoder.traits.number), "the traits and the keys disagree"

    def test_what_is_decoded_cannot_be_written(self) -> None:
        for message in self._good():
            for array in message.buffers:
                assert not array.flags.writeable, f"an array of message {message.key} can be written"

    def test_views_are_taken_as_well_as_bytes(self) -> None:
        views = [[memoryview(part) for part in packet] for packet in self._packets()]
        got, lost = decoded(self.decoder(), views)
        assert not lost, lost
        assert described(got) == described(self._good())

    def test_blocks_hold_what_is_decoded_without_them(self) -> None:
        if not self.decoder.gives_blocks:
            return
        decoder = self.decoder()
        got: list[Message] = []
        for packet in self._packets():
            for given in decoder.feed_blocks(packet, 1_000_000_000):
                got.extend(given.messages() if isinstance(given, Block) else [given])
        got.extend(decoder.finish())
        assert described(got) == described(self._good())

    def test_cut_at_every_byte_a_stream_is_the_same(self) -> None:
        if not self.decoder.is_byte_stream:
            return
        whole = b"".join(part for packet in self._packets() for part in packet)
        expected = described(self._good())
        cuts = [[whole[:k], whole[k:]] for k in range(len(whole) + 1)] + [[bytes([byte]) for byte in whole]]
        for pieces in cuts:
            got, lost = decoded(self.decoder(), [[piece] for piece in pieces])
            assert not lost, f"cut after {len(pieces[0])} bytes: {lost}"
            assert described(got) == expected, f"cut after {len(pieces[0])} bytes the messages differ"

    def test_a_stream_that_ends_early_says_so(self) -> None:
        if not self.decoder.is_byte_stream:
            return
        whole = b"".join(part for packet in self._packets() for part in packet)
        expected = described(self._good())
        for k in range(1, len(whole) - 1):
            decoder = self.decoder()
            got, lost = decoded(decoder, [[whole[:k]]])
            assert not lost, f"cut after {k} bytes: {lost}"
            assert described(got) == expected[: len(got)], f"cut after {k} bytes the messages differ"
            if got and not (self.decoder.traits.has_end and got[-1].kind is Kind.END):
                assert _finish_refuses(decoder), f"cut after {k} bytes, the end of the connection is taken as right"

    def test_a_truncated_packet_is_refused(self) -> None:
        if self.decoder.is_byte_stream:
            return
        packets = self._packets()
        for at, packet in enumerate(packets):
            for which, part in enumerate(packet):
                for length in _lengths(len(part)):
                    cut = [*packet[:which], part[:length], *packet[which + 1 :]]
                    self._refused(packets[:at], cut, f"packet {at}, part {which} cut to {length} bytes")

    def test_a_missing_or_further_part_is_refused(self) -> None:
        if self.decoder.is_byte_stream:
            return
        packets = self._packets()
        for at, packet in enumerate(packets):
            self._refused(packets[:at], [*packet, b"", b"", b"", b""], f"packet {at} with four more parts")
            if len(packet) > 1:
                self._refused(packets[:at], packet[:-1], f"packet {at} without its last part")

    def test_hostile_packets_are_refused(self) -> None:
        packets = self._packets()
        for at in {0, 1, len(packets) // 2, len(packets)}:
            for name, packet in self.hostile():
                self._refused(packets[:at], packet, f"{name}, after {at} packets")

    def test_hostile_packets_take_no_memory(self) -> None:
        before = self._packets()[:1]
        tracemalloc.start()
        try:
            for name, packet in self.hostile():
                tracemalloc.reset_peak()
                decoded(self.decoder(), [*before, packet])
                assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES, f"{name} takes too much memory"
        finally:
            tracemalloc.stop()

    def test_damaged_packets_break_nothing(self) -> None:
        chance = random.Random(1)
        packets = self._packets()
        for _ in range(400):
            at = chance.randrange(len(packets))
            damaged = [_damaged(part, chance) for part in packets[at]]
            decoder = self.decoder()
            _, lost = decoded(decoder, [*packets[:at], damaged])
            self._recovers(decoder, f"packet {at} damaged to {[part[:80] for part in damaged]}", is_exact=bool(lost))

    def test_any_order_is_decoded(self) -> None:
        if self.decoder.is_byte_stream:
            return
        units = list(self.scan())
        chance = random.Random(2)
        for _ in range(20):
            chance.shuffle(units)
            got, lost = decoded(self.decoder(), [packet for unit in units for packet in unit])
            assert not lost, f"out of order, but whole: {lost}"
            assert sorted(map(repr, described(got))) == sorted(map(repr, described(self._good())))

    def test_packets_in_any_order_break_nothing(self) -> None:
        packets = self._packets()
        chance = random.Random(3)
        for _ in range(20):
            chance.shuffle(packets)
            decoder = self.decoder()
            decoded(decoder, packets)
            self._recovers(decoder, "packets out of order", is_exact=False)

    def test_runs_may_follow_and_mingle(self) -> None:
        units = list(self.scan())
        twice = [packet for unit in [*units, *units] for packet in unit]
        mingled = [packet for unit in units for packet in [*unit, *unit]]
        for packets in [twice] if self.decoder.is_byte_stream else [twice, mingled]:
            got, lost = decoded(self.decoder(), packets)
            assert not lost, lost
            assert sorted(map(repr, described(got))) == sorted(map(repr, described(self._good()) * 2))

    def _packets(self) -> list[Packet]:
        return [packet for unit in self.scan() for packet in unit]

    def _good(self) -> list[Message]:
        decoder = self.decoder()
        messages, lost = decoded(decoder, self._packets())
        assert not lost, f"a good scan is not decoded: {lost}"
        messages.extend(decoder.finish())
        return messages

    def _refused(self, before: Sequence[Packet], packet: Packet, name: str) -> None:
        """Check that a packet is refused with the one error there is, and that a scan decodes after it."""
        decoder = self.decoder()
        decoded(decoder, before)
        _, lost = decoded(decoder, [packet])
        assert lost, f"{name}: not refused"
        assert all(lost), f"{name}: an error without a text"
        self._recovers(decoder, name, is_exact=True)

    def _recovers(self, decoder: Decoder, name: str, *, is_exact: bool) -> None:
        """Check that a good scan decodes; if not exact, that it does at the second time, after resynchronising."""
        if not is_exact or decoder.is_byte_stream:
            decoded(decoder, [[b"\n\n"]] if decoder.is_byte_stream else [])
            decoded(decoder, self._packets())
        got, _ = decoded(decoder, self._packets())
        self._expected = self._expected or described(self._good())
        is_same = described(got)[-len(self._expected) :] == self._expected
        assert is_same, f"{name}: a good scan is not decoded after it"


def decoded(decoder: Decoder, packets: Iterable[Sequence[bytes | memoryview]]) -> tuple[list[Message], list[str]]:
    """Return all messages, and the text of every packet that was refused. Any other exception is let through."""
    messages: list[Message] = []
    lost: list[str] = []
    for packet in packets:
        parts: Sequence[bytes | memoryview] = packet
        while True:
            try:
                given = decoder.feed(parts, 1_000_000_000)
                remedy = "yield messages, or return iter([message])"
                assert isinstance(given, Iterable), f"feed returned a {type(given).__name__}; {remedy}"
                for message in given:
                    messages.append(message)  # noqa: PERF402 - what came before an error counts
            except RemoteProtocolError as error:
                lost.append(str(error))
                if decoder.is_byte_stream:
                    parts = ()
                    continue
            break
    return messages, lost


def described(messages: Iterable[Message]) -> list[Any]:
    """Return messages as values that can be compared."""
    return [
        (m.kind.name, m.key, m.timestamp_ns, _plain(m.metadata), [_plain(array) for array in m.buffers])
        for m in messages
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return (str(value.dtype), value.shape, value.tobytes())
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value


def _lengths(size: int) -> Iterable[int]:
    """Every length a part can be cut to; of a large one the ends and some between."""
    return range(size) if size <= 160 else [*range(60), *range(60, size - 40, size // 20), *range(size - 40, size)]


def _damaged(part: bytes, chance: random.Random) -> bytes:
    changed = bytearray(part)
    for _ in range(chance.randint(1, 4)):
        if changed:
            at = chance.randrange(len(changed))
            if chance.random() < 0.6:
                changed[at] = chance.randrange(256)
            elif chance.random() < 0.5:
                del changed[at : at + chance.randint(1, 8)]
            else:
                changed[at:at] = chance.randbytes(chance.randint(1, 8))
    return bytes(changed)


def _finish_refuses(decoder: Decoder) -> bool:
    try:
        list(decoder.finish())
    except RemoteProtocolError:
        return True
    return False

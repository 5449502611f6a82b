"""The decoder reads what is right and refuses everything else."""

from counter import END, GATE, START, CounterDecoder, encode

from penstock.testing import DecoderTests


class TestCounter(DecoderTests):
    decoder = CounterDecoder

    def scan(self) -> list:
        return [[encode(START)], [encode(GATE, 0, [3, 141])], [encode(GATE, 1, [5, 92])], [encode(END, 2)]]


def test_a_gate_becomes_a_message() -> None:
    (message,) = CounterDecoder().feed(encode(GATE, 7, [3, 141]), received_ns=0)
    assert message.key == 7
    assert message.array.tolist() == [3, 141]

"""How fast one core decodes what instruments send, from packets to blocks: the code between socket and stream.

Seconds are those of the processor, so that others on the machine change little.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.effort import Effort
from bench.row import Row
from penstock.core.block_builder import BlockBuilder
from penstock.core.decoder import Decoder
from penstock.elements.decoding import Decoding
from penstock.protocols import albaem, lecroy, pandabox, pandabox_zmq, sardana, stins, xspress3

__all__ = ["rows"]

Packets = Sequence[Sequence[bytes]]
KINDS = 512
"""Different packets in a round, so that none stays in a cache for being the same."""
READING = 512
"""Packets that lie ready at once."""
TCP_PIECE = 64 << 10


def rows(effort: Effort) -> Iterator[Row]:
    """Yield messages or points that each protocol's decoder makes in a second of one core."""
    zmq = pandabox_zmq.PandaboxZmqDecoder
    subjects: list[tuple[str, type[Decoder], Packets, str, float | None]] = [
        ("stins: images of 1 kB", stins.StinsDecoder, _stins(), "messages/s", 100e3),
        ("albaem: readings of 1 kB", albaem.AlbaemDecoder, _albaem(), "messages/s", 100e3),
        ("sardana: records of 1 kB", sardana.SardanaDecoder, _sardana(), "messages/s", 100e3),
        ("pandabox-zmq: points, 12 in a packet of 1 kB", zmq, _pandabox_zmq(), "messages/s", 1e6),
        ("pandabox-zmq: packets of 1 kB", zmq, _pandabox_zmq(), "packets/s", 100e3),
        ("xspress3: 1 kB of spectra, with their pickle", xspress3.Xspress3Decoder, _xspress3(), "messages/s", 100e3),
        ("lecroy: 1 kB of traces, 3 packets each", lecroy.LecroyDecoder, _lecroy(), "messages/s", None),
    ]
    for name, kind, packets, unit, target in subjects:
        yield _row(effort, f"decode {name}", kind, packets, unit, target)
    streams: list[tuple[str, type[Decoder], tuple[bytes, int], float | None]] = [
        ("pandabox-framed: rows of 5 doubles", pandabox.PandaboxFramedDecoder, _frames(), 1e6),
        ("pandabox-unframed: rows of 5 doubles", pandabox.PandaboxUnframedDecoder, _bare(), 1e6),
        ("pandabox: rows of 5 numbers in ASCII", pandabox.PandaboxDecoder, _lines(), None),
    ]
    for name, of_stream, stream, target in streams:
        yield _stream_row(effort, f"decode {name}", of_stream, stream, target)


def _row(effort: Effort, name: str, kind: type[Decoder], packets: Packets, unit: str, target: float | None) -> Row:
    """Measure a decoder for a while: a new one each time, because the packets begin anew."""
    counted = "packets" if unit.startswith("packets") else "messages"
    n = max(READING, effort.count(100e3, READING))

    def rate() -> float:
        builder, decoder, given = BlockBuilder("it"), kind(), cycle(packets)
        messages, begin = 0, process_time()
        for _ in range(n // READING):
            decoding = Decoding(decoder, builder)
            for number, packet in enumerate(islice(given, READING)):
                decoding.feed(packet, number * 10_000)
            reading = decoding.reading()
            assert not reading.unparsable, reading.unparsable[0]
            messages += sum(map(len, reading.blocks))
        return (messages if counted == "messages" else n) / (process_time() - begin)

    return Row(name=name, value=_median(rate, effort), unit=unit, reference=0, of="", target=target)


def _stream_row(effort: Effort, name: str, kind: type[Decoder], stream: tuple[bytes, int], target: float | None) -> Row:
    data, n = stream
    pieces = [data[at : at + TCP_PIECE] for at in range(0, len(data), TCP_PIECE)]

    def rate() -> float:
        builder, decoder, points, begin = BlockBuilder("it"), kind(), 0, process_time()
        for number, piece in enumerate(pieces):
            decoding = Decoding(decoder, builder)
            decoding.feed([piece], number * 10_000)
            reading = decoding.reading()
            assert not reading.unparsable, reading.unparsable[0]
            points += sum(map(len, reading.blocks))
        assert points >= n
        return n / (process_time() - begin)

    return Row(name=name, value=_median(rate, effort), unit="points/s", reference=0, of="", target=target)


def _median(rate: Callable[[], float], effort: Effort) -> float:
    return statistics.median([rate() for _ in range(effort.runs)])


def _stins() -> Packets:
    image = np.arange(512, dtype=np.uint16).reshape(16, 32)
    return [stins.encode_image(n, image) for n in range(KINDS)]


def _albaem() -> Packets:
    more: dict[str, Any] = {f"setting_{n}": n / 7 for n in range(30)}
    return [albaem.encode_reading(n, [1e-11, 2e-11, 0, -1e-12], acquired_ns=10**18 + n, **more) for n in range(KINDS)]


def _pandabox_zmq() -> Packets:
    dice = np.random.default_rng(1)
    names = ("inttime", "triggernumber", "repeatindex", "energy")
    return [
        pandabox_zmq.encode_points(12 * n, {name: (9000 * dice.random(12)).tolist() for name in names}, message_id=n)
        for n in range(KINDS)
    ]


def _sardana() -> Packets:
    counters = {f"counter_{n:02}": n / 7 for n in range(32)}
    return [sardana.encode_point(n / 7, point_nb=n, **counters) for n in range(KINDS)]


def _xspress3() -> Packets:
    counts = np.ones((1, 256), np.uint32)
    return [xspress3.encode_image(n, counts, {})[0] for n in range(KINDS)]


def _lecroy() -> Packets:
    traces = {2: np.zeros((1, 64)), 4: np.ones((1, 64))}
    packets = [packet for n in range(KINDS) for packet in lecroy.encode_acquisition(2 * n, traces, [1e9 + n])]
    # A round has its sequence, but no start or end: it must be able to begin anew.
    return [lecroy.encode_sequence((2, 4)), *packets]


FIELDS = [
    *(pandabox.Field(name=f"INENC{n}.VAL", type="double", capture="Mean", units="um") for n in range(4)),
    pandabox.Field(name="PCAP.TS_TRIG", type="double", capture="Value", units="s"),
]


def _points(n: int) -> NDArray[np.float64]:
    return np.random.default_rng(1).random((n, len(FIELDS)))


def _frames() -> tuple[bytes, int]:
    points = _points(1_000_000)
    frames = [b"".join(pandabox.encode_frame(points[at : at + 200].tobytes())) for at in range(0, len(points), 200)]
    head = pandabox.encode_start(FIELDS, format="Framed")
    return b"".join([b"OK\n", head, *frames, pandabox.encode_end(len(points))]), len(points)


def _bare() -> tuple[bytes, int]:
    points = _points(1_000_000)
    return pandabox.encode_start(FIELDS, format="Unframed") + points.tobytes(), len(points)


def _lines() -> tuple[bytes, int]:
    points = _points(50_000).tolist()
    rows = [pandabox.encode_row(*point) for point in points]
    return b"".join([b"OK\n", pandabox.encode_start(FIELDS), *rows, pandabox.encode_end(len(rows))]), len(rows)

"""How fast a source decodes a DECTRIS detector's large images, beside a bare socket that only receives them."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import zmq

from bench.children import children
from bench.effort import Effort
from bench.local_run import WARM_UP
from bench.row import Row, in_turns
from penstock.core import Kind
from penstock.elements.sources.dectris import DectrisSource
from penstock.elements.sources.eiger import EigerSource
from penstock.elements.zmq_source import ZmqSource

__all__ = ["rows"]

SHAPE: Final = (1024, 2048)
IMAGE_MB: Final = SHAPE[0] * SHAPE[1] * 2 / 1e6
HOPED_PER_S: Final = 500.0
PATIENCE_MS: Final = 30_000
SOURCES: Final[dict[str, type[ZmqSource]]] = {"eiger": EigerSource, "dectris": DectrisSource}
STREAMS: Final = {"eiger": "stream v1", "dectris": "stream v2"}


def rows(effort: Effort) -> Iterator[Row]:
    """Measure both streams."""
    n = effort.count(HOPED_PER_S)
    for protocol in SOURCES:
        bare, ours = in_turns(
            effort.runs, partial(_images_per_s, protocol, n, _bare), partial(_images_per_s, protocol, n, _decoded)
        )
        yield Row(
            name=f"instruments_eiger: {STREAMS[protocol]}, {IMAGE_MB:.1f} MB images, decoded",
            value=ours * IMAGE_MB,
            unit="MB/s",
            reference=bare * IMAGE_MB,
            of="bare receiver, copy=False",
            target_ratio=0.6,
        )


def _images_per_s(protocol: str, n: int, take: Callable[[str, str, int], float]) -> float:
    words = ["bench.eiger_sender", protocol, str(n), *map(str, SHAPE)]
    with children([words]) as (sender,):
        return take(protocol, sender.heard()["address"], n)


def _bare(protocol: str, address: str, n: int) -> float:  # noqa: ARG001 - it need not know
    warm, begin = int(WARM_UP * n), 0.0
    with zmq.Context() as context, context.socket(zmq.PULL) as receiver:
        receiver.set(zmq.RCVTIMEO, PATIENCE_MS)
        receiver.connect(address)
        receiver.recv_multipart()  # the start
        for k in range(n):
            if k == warm:
                begin = time.perf_counter()
            while receiver.recv(copy=False).more:
                pass
        return (n - warm) / (time.perf_counter() - begin)


def _decoded(protocol: str, address: str, n: int) -> float:
    warm, begin, taken, since = int(WARM_UP * n), 0.0, 0, 0
    source = SOURCES[protocol](address)
    source.stream = "detector"
    source.open()
    try:
        while taken < n:
            reading = source.read(time.time_ns())
            if reading.unparsable:
                raise RuntimeError(reading.unparsable[0])
            if not reading.blocks and not source.pollable.poll(PATIENCE_MS):
                raise RuntimeError(f"{taken} of {n} images of {protocol} came")
            taken += sum(len(block) for block in reading.blocks if block.kind is Kind.DATA)
            if not begin and taken >= warm:
                begin, since = time.perf_counter(), taken
        return (taken - since) / (time.perf_counter() - begin)
    finally:
        source.close()

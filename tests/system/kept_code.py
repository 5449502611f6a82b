"""Two instruments of which events are kept: images, every other one compressed, and a motor that sends fewer."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.core.codecs import encoded
from penstock.core.event import Event
from penstock.core.message import Message

N = 60
"""Events before the gate, and as many behind it: each of those is larger than a slot holds two of."""
FEWER = 5


def image(k: int) -> NDArray[np.uint16]:
    made = np.full((640, 640), k, np.uint16)
    made += np.arange(640, dtype=np.uint16)
    return made


def camera(gate: str) -> Iterator[Message]:
    for k in numbers(gate):
        payload, encoding = encoded(image(k), "zstd")
        fields: dict[str, Any] = {"array": payload, "encodings": (encoding,)} if k % 2 else {"array": image(k)}
        yield Message(key=k, metadata={"k": k, "texts": ["a"]}, **fields)


def motor(gate: str) -> Iterator[Message]:
    for k in numbers(gate):
        if k < 2 * N - FEWER:
            yield Message(key=k, array=np.array([k / 10]))


def numbers(gate: str) -> Iterator[int]:
    yield from range(N)
    while not Path(gate).exists():
        time.sleep(0.005)
    yield from range(N, 2 * N)


def key_of(event: Event) -> int:
    part: Any = event["camera"]
    return int(part.key)

"""What chained pipelines are made of: an instrument that waits for a test, and code of which each result is known."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from penstock.core import Event, Message
from penstock.core.decoder import Traits
from penstock.elements.source import Reading, Source
from penstock.views import ArrayView


class Numbers(Source):
    """Messages with the keys 1 to ``n``, ten at once; the second half does not come before there is a gate."""

    traits = Traits(number="key", first=1, has_start=False, has_end=False)
    is_repeatable = True

    def __init__(self, n: int, gate: str = "") -> None:
        self._n, self._gate, self._next = n, gate, 1

    def open(self) -> None:
        self._next = 1

    def wait_s(self, now_ns: int) -> float:
        return 0.01 if self._gate and self._next > self._n // 2 and not Path(self._gate).exists() else 0.0

    def read(self, now_ns: int) -> Reading:
        keys = range(self._next, min(self._next + 10, self._n + 1))
        self._next += len(keys)
        messages = [Message(key=k, array=np.full((2, 3), k, np.uint16), metadata={"k": k}) for k in keys]
        return self.reading(messages, now_ns, ended=self._next > self._n)


def squared(message: Message) -> dict[str, Any]:
    """Return the message's number, an array of its square and one of text."""
    assert message.key is not None
    return {"id": message.key, "square": message.array.astype(np.int64) ** 2, "name": np.array([f"n{message.key}"])}


def of_event(event: Event) -> dict[str, Any]:
    """Do the same with an event."""
    return squared(event["numbers"])


def broken(event: Event) -> float:
    """Fail on the first."""
    raise RuntimeError(f"nothing is known of event {event.number}")


def fails_on(message: Message, key: int) -> dict[str, Any]:
    """Fail on one message."""
    if message.key == key:
        raise RuntimeError(f"cannot bear {key}")
    return {"id": message.key}


def hardly_stored(message: Message, key: int) -> Any:
    """Return the number of a message; from one on, what no message can hold."""
    assert message.key is not None
    return message.key if message.key < key else {message.key: 1}


class Count:
    """How many there were."""

    def __init__(self) -> None:
        self.views = {"n": ArrayView((), "i8")}

    def reduce(self, value: Any) -> None:
        self.views["n"].add((), 1)


def rooted(message: Message, spend_s: float = 0.0) -> dict[str, Any]:
    """Undo it, out of the stream, and take some time for it."""
    time.sleep(spend_s)
    square, name = message.buffers
    assert message.metadata["buffers"] == ["square", "name"]
    return {"id": message.key, "root": np.sqrt(square), "name": str(name[0])}


class Roots:
    """The sum of all, and how many."""

    def __init__(self) -> None:
        self.views = {"sum": ArrayView((), "f8"), "n": ArrayView((), "i8")}

    def reduce(self, value: dict[str, Any]) -> None:
        self.views["sum"].add((), value["root"].sum())
        self.views["n"].add((), 1)

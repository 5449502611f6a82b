"""ASAPO's genuine clients against a server of ours: what the tests of each part of its interface begin with."""

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from penstock.compat.asapo.server import AsapoServer
from penstock.core.stream_address import StreamAddress
from penstock.streams.store import Store

_WHY = "there is no wheel of asapo-producer and asapo-consumer 25.3.0 for this Python and machine"
asapo_producer: Any = pytest.importorskip("asapo_producer", reason=_WHY)
asapo_consumer: Any = pytest.importorskip("asapo_consumer", reason=_WHY)

LONGEST_S = 20.0
_NUMBERS = itertools.count(1)


class Served:
    """A server, and producers that several tests share, because each takes a second before it sends."""

    def __init__(self, server: AsapoServer, store: Store) -> None:
        self.server, self.store = server, store
        self.producers: dict[tuple[Any, ...], Any] = {}


class Beamtime:
    """A stream of its own on a server, with what clients are made with."""

    def __init__(self, served: Served, *, is_own: bool = False) -> None:
        self.store = served.store
        number = next(_NUMBERS)
        self.name = f"bt{number}" if is_own else "bt"
        self.stream = f"s{number}"
        self.answers: list[tuple[dict[str, Any], Exception | None]] = []
        """What callbacks were given, in order."""
        self._served = served
        self._heard = threading.Condition()

    def producer(self, *, source: str = "det", kind: str = "processed", threads: int = 1, **more: Any) -> Any:
        """Return a producer that says nothing of its own."""
        wanted = {"token": "", "timeout_ms": 5000, "beamtime": self.name, "beamline": "auto"} | more
        key = (source, kind, threads, *wanted.items())
        made = self._served.producers.get(key)
        if made is None:
            made = self._served.producers[key] = asapo_producer.create_producer(
                self._served.server.address, kind, wanted["beamtime"], wanted["beamline"], source, wanted["token"],
                threads, wanted["timeout_ms"],
            )  # fmt: skip
            made.set_log_level("none")
        return made

    def consumer(self, *, source: str = "det", timeout_ms: int = 100, **more: Any) -> Any:
        """Return a consumer; what it waits for in vain takes some 0.3 s."""
        wanted = {"path": "auto", "has_filesystem": False, "token": "", "beamtime": self.name} | more
        return asapo_consumer.create_consumer(
            self._served.server.address, wanted["path"], wanted["has_filesystem"], wanted["beamtime"], source,
            wanted["token"], timeout_ms,
        )  # fmt: skip

    def heard(self, payload: dict[str, Any], error: Exception | None) -> None:
        """Keep what a callback is given."""
        with self._heard:
            self.answers.append((payload, error))
            self._heard.notify_all()

    def wait(self, count: int) -> list[tuple[dict[str, Any], Exception | None]]:
        """Wait for so many answers, and return them, of which nothing is kept."""
        with self._heard:
            assert self._heard.wait_for(lambda: len(self.answers) >= count, LONGEST_S)
            found, self.answers = self.answers, []
        assert len(found) == count
        return found

    def told(self, call: Callable[[], Any]) -> tuple[dict[str, Any], Exception | None]:
        """Do something that ends in one callback, and return what that was given."""
        call()
        return self.wait(1)[0]

    def send(self, producer: Any, number: int, data: Any = b"data", **more: Any) -> tuple[dict[str, Any], Any]:
        """Send a message, and return what its callback was given."""
        return self.told(lambda: self.begin(producer, number, data, **more))

    def begin(self, producer: Any, number: int, data: Any = b"data", **more: Any) -> None:
        """Send a message."""
        wanted = {"exposed_path": f"processed/f{number}", "stream": self.stream, "callback": self.heard} | more
        producer.send(number, data=data, **wanted)

    def fill(self, producer: Any, ids: Any, **more: Any) -> None:
        """Send messages, and wait until they are there."""
        sent = list(ids)
        for number in sent:
            self.begin(producer, number, b"data %d" % number, **more)
        assert [error for _, error in self.wait(len(sent)) if error is not None] == []

    def finish(self, producer: Any, last: int, following: str | None = None, stream: str = "") -> Any:
        """End a stream, and return the error."""
        wanted = {"stream": stream or self.stream, "last_id": last, "next_stream": following, "callback": self.heard}
        return self.told(lambda: producer.send_stream_finished_flag(**wanted))[1]

    def ids(self, consumer: Any, group: str, count: int, **more: Any) -> list[int]:
        """Read so many messages, and return their ids."""
        return [consumer.get_next(group, **({"stream": self.stream} | more))[1]["_id"] for _ in range(count)]

    def address(self, source: str = "det") -> StreamAddress:
        """Return where we have the stream."""
        return StreamAddress(self.name, source, self.stream)


@contextlib.contextmanager
def raises(kind: str) -> Iterator[Any]:
    """Expect an error of the consumer, by its name."""
    with pytest.raises(getattr(asapo_consumer, kind)) as caught:
        yield caught
    assert type(caught.value).__name__ == kind

"""Sardana's records, posted over HTTP, on their way to a source: kept here until a scan takes them.

What is here of a scan before is left out when the description of a new one comes.
"""

import threading
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Annotated, Any, Final, Self

import msgspec

from penstock.errors import StateError
from penstock.extra import extra

with extra("run"):
    import zmq
    from fastapi import Body, FastAPI
    from fastapi.responses import JSONResponse

__all__ = ["SardanaQueue", "sardana_app"]

MOST: Final = 10_000
"""Records that may wait for a scan."""
LOOK_MS: Final = 100
END_S: Final = 5.0


class SardanaQueue:
    """Records in their order, pushed to whoever connects; a context manager."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._news = threading.Condition()
        self._is_closed = False
        self._context: zmq.Context[Any] = zmq.Context()
        self._socket = self._context.socket(zmq.PUSH)
        self._socket.linger = 0
        self._socket.sndtimeo = LOOK_MS
        self.address = f"tcp://127.0.0.1:{self._socket.bind_to_random_port('tcp://127.0.0.1')}"
        """Where a source finds them."""
        self._thread = threading.Thread(target=self._push, name="sardana", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._news:
            self._is_closed = True
            self._news.notify()
        self._thread.join(END_S)
        self._context.destroy(linger=0)

    def put(self, kind: str, record: dict[str, Any]) -> None:
        """Take a record.

        Raises
        ------
        StateError
            If too many wait for a scan.
        """
        with self._news:
            if kind == "DataDescription":
                self._waiting.clear()
            if len(self._waiting) >= MOST:
                raise StateError(f"{MOST} records wait for a scan; post a trigger map that names this stream")
            self._waiting.append(msgspec.json.encode({**record, "type": kind}))
            self._news.notify()

    def _push(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                record = self._waiting[0]
            with suppress(zmq.Again):  # nobody takes it yet
                self._socket.send(record)
                with self._news:
                    if self._waiting and self._waiting[0] is record:
                        self._waiting.popleft()


def sardana_app(queue: SardanaQueue) -> FastAPI:
    """Return the paths that Sardana's recorder posts to."""
    app = FastAPI(title="dranspose's ingester for Sardana, by penstock")

    @app.exception_handler(StateError)
    async def refuse(_: Any, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 503)

    def take(kind: str) -> Any:
        def post(record: Annotated[dict[str, Any], Body()]) -> None:
            queue.put(kind, record)

        return post

    for path, kind in (("data_desc", "DataDescription"), ("record_data", "RecordData"), ("record_end", "RecordEnd")):
        app.post(f"/v1/{path}", name=path)(take(kind))

    @app.post("/v1/custom_data")
    def custom_data() -> None:
        """Take what is no record; nothing is done with it."""

    return app

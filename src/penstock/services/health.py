"""The door at which an orchestrator asks whether all is well: one word, and a status code."""

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from penstock.errors import ServiceError
from penstock.pipeline.serve_address import LOCAL, host_and_port

__all__ = ["HealthDoor"]


class HealthDoor:
    """Answers ``GET /health``: 200 while something works, 503 when nothing does any more; a context manager.

    On this machine it says of every pipeline how it is; to others it says the state in a word, for which no token is
    needed.

    Parameters
    ----------
    where
        Port, or host and port; empty: nowhere.

    Raises
    ------
    ServiceError
        If the address is not to be had.
    """

    def __init__(self, where: str) -> None:
        self.state = "initialised"
        self.pipelines: Sequence[dict[str, Any]] = ()
        self._server: ThreadingHTTPServer | None = None
        if not where:
            return
        host, port = host_and_port(where)
        try:
            self._server = ThreadingHTTPServer((host or LOCAL, port), _handler(self))
        except OSError as error:
            raise ServiceError(f"--health {where}: {error.strerror or error}; name a free port, 0 for any") from error
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        """Where it is; empty if nowhere."""
        return "" if self._server is None else "http://{}:{}".format(*self._server.server_address[:2])

    def tell(self, state: str, pipelines: Sequence[dict[str, Any]]) -> None:
        """Say how things are now."""
        self.state, self.pipelines = state, pipelines

    def __enter__(self) -> Self:
        if self._server is not None:
            threading.Thread(target=self._server.serve_forever, name="penstock health", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


def _handler(door: HealthDoor) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = self.path.partition("?")[0] == "/health"
            body: dict[str, Any] = {"state": door.state} if is_known else {"detail": "ask for /health"}
            if is_known and self.client_address[0] in ("127.0.0.1", "::1"):
                body["pipelines"] = list(door.pipelines)
            data = json.dumps(body).encode()
            self.send_response(404 if not is_known else 503 if door.state == "fault" else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Print nothing: an orchestrator asks every few seconds."""

    return Handler

"""Where a player puts messages for an instrument that posts: an HTTP server that somebody else runs."""

import socket
import time
from collections.abc import Sequence

import httpx

from penstock.transport.address import host_and_port

__all__ = ["PostOutlet"]

ANSWER_S = 20.0
"""How long an answer may take: the server may hold a request up while it has no room."""


class PostOutlet:
    """Posts messages of two parts, a body and the end of its path below ``/v1``; see `Outlet`.

    Parameters
    ----------
    address
        Of the server, ``tcp://host:port``.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._host, self._port = host_and_port(address)
        self._client: httpx.Client | None = None

    def open(self) -> None:
        """Make ready; nothing is bound."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._client = httpx.Client(base_url=f"http://{host}:{self._port}", trust_env=False, timeout=ANSWER_S)

    def wait(self, timeout_s: float) -> bool:
        """Wait until somebody listens there."""
        deadline = time.monotonic() + timeout_s
        try:
            socket.create_connection((self._host, self._port), max(timeout_s, 0.001)).close()
        except OSError:
            time.sleep(max(0.0, min(0.05, deadline - time.monotonic())))
            return False
        return True

    def send(self, parts: Sequence[bytes], timeout_s: float) -> bool:
        """Post one message; what is refused for what it says has been sent, what finds no room has not."""
        if self._client is None:
            return False
        body, path = parts
        try:
            answer = self._client.post(f"/v1/{path.decode('ascii')}", content=body)
        except httpx.ConnectError:  # it has not left, so it cannot come twice
            time.sleep(min(0.05, timeout_s))
            return False
        return answer.status_code != httpx.codes.SERVICE_UNAVAILABLE

    def close(self, linger_s: float) -> None:
        """Close; may be called twice."""
        if self._client is not None:
            self._client.close()
        self._client = None

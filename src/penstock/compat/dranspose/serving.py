"""The ports of dranspose's REST paths, each served by one thread of this process."""

import ipaddress
import socket
import threading
from types import TracebackType
from typing import Any, Self

from penstock.errors import ServiceError
from penstock.extra import extra
from penstock.web.gate import Gate

with extra("run"):
    import uvicorn

__all__ = ["Port"]

BEGIN_S = 10.0
END_S = 5.0


class Port:
    """One application on one port; a context manager.

    Its clients cannot send a token. So it can be reached from this machine only, unless that is wanted.

    Parameters
    ----------
    app
        An ASGI application.
    host, port
        Where to listen; 0: any free port.
    tokenless
        Whether another host than this one may be named, so that everybody who comes there may do everything.

    Raises
    ------
    ServiceError
        If the port is not to be had, or is open to others without that being wanted.
    """

    def __init__(self, app: Any, host: str, port: int, *, tokenless: bool = False) -> None:
        is_own = _is_loopback(host)
        if not is_own and not tokenless:
            text = f"{host} can be reached from other machines, and clients of dranspose can send no token"
            raise ServiceError(f"{text}; add --tokenless if everybody there may do everything, or leave --host out")
        names = ("localhost", "127.0.0.1", "[::1]", host)
        self._socket = _listening(host, port)
        config = uvicorn.Config(
            Gate(app, "", "", names) if is_own else app, log_level="error", access_log=False, lifespan="off",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name=f"port {self.number}", daemon=True
        )

    @property
    def number(self) -> int:
        """Of the port."""
        return int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(END_S)
        self._socket.close()


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port or None, type=socket.SOCK_STREAM)[0][0]
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
        found.listen(128)
    except OSError as error:
        raise ServiceError(f"{host}, port {port}: {error.strerror or error}; name a free port, 0 for any") from error
    return found


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

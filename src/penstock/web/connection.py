"""One connection of the web process: it tells the guests what it is doing, and says no where they do not let it in.

The protocols themselves are uvicorn's.
"""

from typing import TYPE_CHECKING, Any, cast

from penstock.extra import extra
from penstock.web.refusal import body_of, refuse

with extra("run"):
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
    from uvicorn.server import ServerState

if TYPE_CHECKING:
    import asyncio

    from penstock.web.guests import Guests

__all__ = ["FollowerConnection", "HttpConnection", "State"]


class State(ServerState):
    """What uvicorn's connections share, and the guests."""

    def __init__(self, guests: "Guests") -> None:
        super().__init__()
        self.guests = guests


class HttpConnection(HttpToolsProtocol):
    """A connection that is asked over HTTP, and may become one that follows changes."""

    _refusal = ""
    _is_whole = True
    """Whether all of the request that came last is there."""

    @property
    def _guests(self) -> "Guests":
        return cast("State", self.server_state).guests

    def connection_made(self, transport: "asyncio.Transport") -> None:  # type: ignore[override]  # as uvicorn's own
        """Be let in, or have every request refused."""
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        self._refusal = self._guests.enter(transport, address, self.loop.time())
        if self._refusal:
            self.app = self._refuse

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave."""
        self._guests.leave(self.transport)
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """Note that a request has begun."""
        self._is_whole = False
        super().on_headers_complete()
        self._note()

    def on_message_complete(self) -> None:
        """Note that a request is whole."""
        self._is_whole = True
        super().on_message_complete()
        self._note()

    def on_response_complete(self) -> None:
        """Note that an answer has been written."""
        super().on_response_complete()
        self._note()

    def handle_websocket_upgrade(self) -> None:
        """Begin to follow changes, or be refused."""
        if not self._refusal:
            super().handle_websocket_upgrade()
            return
        body = body_of(self._refusal)
        head = f"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(f"{head}connection: close\r\n\r\n".encode() + body)
        self.transport.close()

    def _note(self) -> None:
        guest = self._guests.guest(self.transport)
        if guest is None or guest.doing == "refused":
            return
        cycle = cast("RequestResponseCycle | None", self.cycle)  # not there before the first request
        is_answered = cycle is None or cycle.response_complete
        doing = "asking" if not self._is_whole else "waiting" if is_answered else "served"
        guest.turns(doing, self.loop.time())  # type: ignore[arg-type]  # one of its words

    async def _refuse(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 - an ASGI application
        await refuse(send, 503, self._refusal, [(b"connection", b"close")])


class FollowerConnection(WebSocketsSansIOProtocol):
    """A connection that follows changes over a WebSocket."""

    @property
    def _guests(self) -> "Guests":
        return self._state.guests

    def __init__(self, config: Any, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._state = cast("State", server_state)

    def connection_made(self, transport: "asyncio.BaseTransport") -> None:
        """Note that changes are followed from now on."""
        super().connection_made(transport)
        guest = self._guests.guest(self.transport)
        if guest is not None:
            guest.turns("following", self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave."""
        self._guests.leave(self.transport)
        super().connection_lost(exc)

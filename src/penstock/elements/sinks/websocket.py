"""Items to browsers."""

import os
import socket
import sys
from typing import Annotated, Any, ClassVar, Literal

from penstock.elements.browser_gate import TOKEN_VARIABLE, BrowserGate, listening
from penstock.elements.item_broadcast import ItemBroadcast
from penstock.elements.losses import Losses
from penstock.elements.network_address import is_local
from penstock.elements.plain_item import json_of
from penstock.elements.sink import RunFacts, Sink
from penstock.errors import ResultTypeError, SinkError
from penstock.extra import extra
from penstock.wire.item_encodings import writer

with extra("run"):
    from annotated_types import Ge, Le

__all__ = ["WebsocketSink"]


class WebsocketSink(Sink):
    """Send each item to every browser that is connected, and serve a page that shows them live.

    In a pipeline::

        sinks:
          page: {use: websocket, from: alerts, port: 8500, keep: 10}

    Then http://127.0.0.1:8500/ is the page, ``ws://127.0.0.1:8500/items`` gives the items, one a message, and
    ``/status`` says how many were sent and missed. A browser that is slow misses items, and nobody waits for it.

    >>> import httpx
    >>> from penstock.elements.sink import RunFacts
    >>> sink = WebsocketSink(port=0)
    >>> sink.open(RunFacts(pipeline="p", run="r", sink="page"))
    >>> sink.write({"energy_keV": 6.4})
    >>> httpx.get(f"{sink.address}/status").json()["clients"]
    0
    >>> sink.close(ended_well=True)

    Parameters
    ----------
    port
        If somebody has it, the next free one is taken, and printed; 0: any.
    host
        Where to listen. Beyond this machine, PENSTOCK_VIEWER_TOKEN of the environment must hold a token, which a
        browser gives as ``?token=``.
    keep
        How many of the last items somebody gets at once who connects.
    encoding
        ``json``: one text an item; ``bytes``: items are bytes or arrays, and come as they are.

    Raises
    ------
    ValueError
        If a value is none of these.
    """

    may_wait: ClassVar[bool] = False

    def __init__(
        self,
        port: Annotated[int, Ge(0), Le(65535)] = 8500,
        host: str = "127.0.0.1",
        keep: Annotated[int, Ge(0)] = 1,
        encoding: Literal["json", "bytes"] = "json",
    ) -> None:
        if not 0 <= port <= 65535:
            raise ValueError(f"port is {port}; it must be a number from 0 to 65535")
        if keep < 0:
            raise ValueError(f"keep is {keep}; it must be 0 or more")
        if encoding not in ("json", "bytes"):
            raise ValueError(f'encoding is {encoding!r}; it must be "json" or "bytes"')
        self._host, self._port, self._keep = host.strip("[]"), port, keep
        self._is_json = encoding == "json"
        self.losses = Losses("websocket")
        """What browsers missed, each counted by itself."""
        self._broadcast: ItemBroadcast | None = None
        self._address = ""

    @property
    def address(self) -> str:
        """Where the page is, once it is open."""
        return self._address

    def open(self, run: RunFacts) -> None:
        """Begin to serve, and print where.

        Raises
        ------
        SinkError
            If no port is to be had, or others could look who have no token.
        MissingExtraError
            If websockets is not installed.
        """
        with extra("run"):
            import websockets  # noqa: F401
        token = os.environ.get(TOKEN_VARIABLE, "")
        listener = listening(self._host, self._port, token)
        port = listener.getsockname()[1]
        # Every address of this machine is one that nobody can ask for.
        host = socket.gethostname() if self._host in ("0.0.0.0", "::") else self._host
        name = f"[{host}]" if ":" in host else host
        self._address = f"http://{name}:{port}"
        title = " · ".join(filter(None, (run.pipeline, run.sink)))
        gate = BrowserGate(self._host, token)
        self._broadcast = ItemBroadcast(listener, gate, title, self._keep, self._miss)
        self._broadcast.start()
        whom = "" if is_local(self._host) else ", to every machine of the network, with the token"
        print(f"{run.sink or 'websocket'}: items on {self._address}/{whom}", file=sys.stderr, flush=True)

    def write(self, item: Any) -> None:  # an item of any kind
        """Hand the item to all browsers.

        Raises
        ------
        SinkError
            If it has no form in JSON, or is not bytes.
        """
        if self._broadcast is None:
            return
        try:
            self._broadcast.give(str(json_of(item), "utf-8") if self._is_json else writer("bytes")(item))
        except ResultTypeError as error:
            raise SinkError(f"{self._address}: an item cannot be sent: {error}") from error

    def close(self, ended_well: bool, outcome: str = "") -> None:  # noqa: ARG002 - the page sees that it ends
        """Give browsers a second to take what waits for them, and end."""
        broadcast, self._broadcast = self._broadcast, None
        if broadcast is not None:
            broadcast.close()

    def _miss(self, count: int) -> None:
        self.losses.add("a browser was too slow", count)

"""The web process: one event loop that serves a run's views on a socket the supervisor holds."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from penstock.extra import extra
from penstock.services.web_service import WebOrder
from penstock.transport.malloc import prefer_reuse
from penstock.transport.seqpacket import Link
from penstock.views.event_memory import EventMemory
from penstock.views.shared_tree import TreeReader
from penstock.web.app import make_app
from penstock.web.connection import FollowerConnection, HttpConnection, State
from penstock.web.guests import Guests
from penstock.web.past import Past
from penstock.web.shown_views import ShownViews
from penstock.web.supervisor_line import SupervisorLine

with extra("run"):
    import uvicorn
    import uvloop

__all__ = ["run"]

KEPT_BYTES = 8 << 20
"""Of freed memory: two parts of 4 MB, as images are."""
SWEEP_TICKS = 10
"""So many of the server's own ticks, each of 0.1 s, lie between two looks for connections that take too long."""


def run(order: WebOrder, fds: Sequence[int]) -> None:
    """Serve until the supervisor has gone, or this is stopped.

    Parameters
    ----------
    fds
        The listening socket, the link, the memory of every stage's views, and that of kept events.
    """
    prefer_reuse(KEPT_BYTES)
    listening, link, *memory = fds
    size = order.fds_a_stage
    readers = {stage: TreeReader(memory[k * size : (k + 1) * size]) for k, stage in enumerate(order.stages)}
    keepers = zip(order.keepers, memory[len(order.stages) * size :], strict=True)
    events = {stage: EventMemory(fd) for stage, fd in keepers}
    with suppress(KeyboardInterrupt):
        uvloop.run(_serve(order, socket.socket(fileno=listening), Link(link), readers, events))


class _Server(uvicorn.Server):
    """One that leaves signals to the supervisor, and looks after its guests."""

    def __init__(self, config: uvicorn.Config, guests: Guests) -> None:
        super().__init__(config)
        self.server_state = State(guests)
        self._guests = guests

    async def on_tick(self, counter: int) -> bool:
        """End what takes too long, now and then."""
        if counter % SWEEP_TICKS == 0:
            self._guests.sweep(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(
    order: WebOrder,
    listening: socket.socket,
    link: Link,
    readers: dict[str, TreeReader],
    events: dict[str, EventMemory],
) -> None:
    line = SupervisorLine(link)
    line.listen()
    guests = Guests()
    views = ShownViews(readers)
    past = Past(views)
    app = make_app(
        views, line, pipeline=order.pipeline, run=order.run, version=order.version, graph=order.graph, flow=order.flow,
        store=order.store, events=events, gate=(order.viewer_token, order.operator_token, order.hosts),
        unsent=lambda: guests.unsent_bytes, past=past,
    )  # fmt: skip
    config = uvicorn.Config(
        app, log_level="error", access_log=False, lifespan="off", http=HttpConnection, ws=FollowerConnection,
        ws_max_size=1 << 20, timeout_graceful_shutdown=1, server_header=False,
        ws_per_message_deflate=False,  # pixels hardly shrink, and everybody would wait for it
    )  # fmt: skip
    server = _Server(config, guests)
    serving = asyncio.create_task(server.serve([listening]))
    gone = asyncio.create_task(line.gone.wait())
    keeping = asyncio.create_task(past.keep())
    await asyncio.wait((serving, gone), return_when=asyncio.FIRST_COMPLETED)
    keeping.cancel()
    server.should_exit = True
    await serving

"""The web process: one event loop that serves a run's views on a socket the supervisor holds."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import uvicorn
import uvloop

from penstock.services.web_service import WebOrder
from penstock.transport.seqpacket import Link
from penstock.views.shared_tree import TreeReader
from penstock.web.app import make_app
from penstock.web.shown_views import ShownViews
from penstock.web.supervisor_line import SupervisorLine

__all__ = ["run"]

MOST_CONNECTIONS = 500


def run(order: WebOrder, fds: Sequence[int]) -> None:
    """Serve until the supervisor has gone, or this is stopped.

    Parameters
    ----------
    fds
        The listening socket, the link, and the memory of every stage's views.
    """
    listening, link, *memory = fds
    size = order.fds_a_stage
    readers = {stage: TreeReader(memory[k * size : (k + 1) * size]) for k, stage in enumerate(order.stages)}
    with suppress(KeyboardInterrupt):
        uvloop.run(_serve(order, socket.socket(fileno=listening), Link(link), readers))


class _Server(uvicorn.Server):
    """One that leaves signals to the supervisor."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(order: WebOrder, listening: socket.socket, link: Link, readers: dict[str, TreeReader]) -> None:
    line = SupervisorLine(link)
    line.listen()
    app = make_app(
        ShownViews(readers), line, pipeline=order.pipeline, run=order.run, version=order.version, graph=order.graph,
        gate=(order.viewer_token, order.operator_token, order.hosts),
    )  # fmt: skip
    config = uvicorn.Config(
        app, log_level="error", access_log=False, lifespan="off", ws="websockets-sansio", ws_max_size=1 << 20,
        limit_concurrency=MOST_CONNECTIONS, timeout_graceful_shutdown=1, server_header=False,
        ws_per_message_deflate=False,  # pixels hardly shrink, and everybody would wait for it
    )  # fmt: skip
    server = _Server(config)
    serving = asyncio.create_task(server.serve([listening]))
    gone = asyncio.create_task(line.gone.wait())
    await asyncio.wait((serving, gone), return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving

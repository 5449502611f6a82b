"""SNAP's status: a node that answers on a ZeroMQ socket, and the source that asks one.

How late an answer comes says how busy the node's loop is, because the one that answers shares it.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from penstock.elements import clock
from penstock.extra import extra

with extra("run"):
    import zmq
    import zmq.asyncio

__all__ = ["status_req", "status_server"]

QUESTION: Final = b"STATUS"
TIMEOUT: Final = b"TIMEOUT"
"""Stands for the answer that did not come."""


async def status_server(address: str, status: bytes = b"OK") -> AsyncIterator[bytes]:
    """Answer whatever is asked, as long as the node runs; a source that gives each question.

    Parameters
    ----------
    address
        Where to listen, such as ``tcp://127.0.0.1:5600``.
    status
        The answer.
    """
    with zmq.asyncio.Context() as context, context.socket(zmq.REP) as socket:
        socket.linger = 0
        socket.bind(address)
        while True:
            question = await socket.recv()
            await socket.send(status)
            yield question


async def status_req(address: str, timeout: float = 1) -> AsyncIterator[tuple[bytes, float]]:
    """Ask a node again and again; a source of (answer, seconds until it came).

    Where no answer comes in time it is ``b"TIMEOUT"``. A question is asked when its item is wanted: a step like
    ``.timing.every`` behind it says how often.

    Parameters
    ----------
    address
        Where the node listens.
    timeout
        Seconds to wait for an answer.
    """
    with zmq.asyncio.Context() as context:
        while True:
            with context.socket(zmq.REQ) as socket:
                socket.linger = 0
                socket.connect(address)
                while True:
                    begun = clock.monotonic_s()
                    await socket.send(QUESTION)
                    try:
                        answer = await asyncio.wait_for(socket.recv(), timeout)
                    except TimeoutError:
                        yield TIMEOUT, clock.monotonic_s() - begun
                        break  # a socket that waits for an answer takes no other question
                    yield answer, clock.monotonic_s() - begun

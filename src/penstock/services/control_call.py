"""Send one command to a pipeline over ZeroMQ, and wait for what becomes of it."""

import time
from collections.abc import Callable

from penstock.core.command import Acknowledgement, Command, Reply
from penstock.errors import RemoteProtocolError, ServiceError
from penstock.extra import extra
from penstock.transport.address import address_problem
from penstock.wire.control import close_command, open_word

with extra("run"):
    import zmq

__all__ = ["call"]


def call(
    address: str,
    command: Command,
    token: str = "",
    *,
    patience_s: float = 10.0,
    acknowledged: Callable[[], None] = lambda: None,
) -> Reply:
    """Return the reply to a command.

    Parameters
    ----------
    address
        Of the pipeline's control, ``tcp://`` or ``ipc://``.
    command
        It has an id.
    patience_s
        How long to wait for an acknowledgement, and then for the reply.
    acknowledged
        Called when it is known that the command has come.

    Raises
    ------
    ServiceError
        If that is no address, or nobody answers in time.
    RemoteProtocolError
        If whoever answers is no pipeline.
    """
    if problem := address_problem(address):
        raise ServiceError(problem)
    with zmq.Context(io_threads=1) as context, context.socket(zmq.DEALER) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.IPV6, "[" in address)
        try:
            socket.connect(address)
        except zmq.ZMQError as error:
            raise ServiceError(f"{address}: ZeroMQ cannot connect there: {error.strerror}") from error
        socket.send(close_command(command, token))
        text = f"nobody answers at {address}; is the pipeline running, and is this its control address?"
        while True:
            word = open_word(_received(socket, patience_s, text))
            if word.id not in ("", command.id):
                raise RemoteProtocolError(f"{address} answers a command that was not sent")
            if isinstance(word, Reply):
                return word
            assert isinstance(word, Acknowledgement)
            acknowledged()
            text = (
                f"{address} has the command, and no reply has come within {patience_s:g} s; "
                "the same command with the same id says what became of it"
            )


def _received(socket: "zmq.Socket[bytes]", patience_s: float, text: str) -> bytes:
    until_s = time.monotonic() + patience_s
    while (left_s := until_s - time.monotonic()) > 0:
        if socket.poll(max(1, int(left_s * 1000))):
            parts = socket.recv_multipart()
            if len(parts) == 1:
                return parts[0]
            raise RemoteProtocolError("whoever answers is no pipeline")
    raise ServiceError(text)

"""The addresses of sources and sinks of items over ZeroMQ, checked before anything is opened."""

import logging
from collections.abc import Sequence
from typing import Final

from penstock.elements.network_address import check_listening
from penstock.transport.address import address_problem

__all__ = ["check_addresses"]

_LOG: Final = logging.getLogger("penstock.elements")


def check_addresses(bind: Sequence[str], connect: Sequence[str], *, open_to_network: bool) -> None:
    """Make sure that there are addresses, that they can be tried, and that no stranger comes in unasked.

    Raises
    ------
    ValueError
        If not.
    """
    if not bind and not connect:
        raise ValueError('no address; write bind: "tcp://127.0.0.1:5556", or connect: "tcp://HOST:5556"')
    for address in (*bind, *connect):
        if problem := address_problem(address):
            raise ValueError(problem)
    check_listening(bind, open_to_network=open_to_network)
    if open_to_network and bind:
        _LOG.warning("%s: open to every machine of the network, without a password", ", ".join(bind))

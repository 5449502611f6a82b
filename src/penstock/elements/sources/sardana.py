"""Sardana: a scan's records, posted by its recorder over HTTP."""

import logging
import time
from typing import Annotated, Any

from penstock.core.block_builder import MAX_MESSAGES
from penstock.elements.http_intake import HttpIntake
from penstock.elements.instrument_source import InstrumentSource
from penstock.elements.network_address import is_local
from penstock.elements.source import Reading
from penstock.extra import extra
from penstock.protocols.sardana import REQUESTS, SardanaDecoder

with extra("run"):
    from annotated_types import Ge, Le

__all__ = ["SardanaSource"]

_log = logging.getLogger(__name__)


class SardanaSource(InstrumentSource):
    """Serve HTTP for Sardana's recorder: ``POST /v1/data_desc``, ``/v1/record_data``, ``/v1/record_end``.

    What is posted before the run reads is held. ``/v1/custom_data`` is passed over. A body that is wrong is refused
    with status 422 and what would be right, and counted as unparsable. While the pipeline is behind, whoever posts
    waits, and is refused with status 503 after 5 s. A page in a browser may not post.

    Parameters
    ----------
    port
        Where to listen; 0 takes any that is free, and tells the log which.
    host
        Of this machine; beyond it with ``open_to_network`` only.
    open_to_network
        Whether other machines may post. Nobody is asked for a password.
    ahead_MB
        How much may wait to be read, in MB.

    Raises
    ------
    ValueError
        If ``host`` can be reached by other machines and nobody said that it shall be.
    """

    decoder = SardanaDecoder
    sockets = ("http",)

    def __init__(
        self,
        port: Annotated[int, Ge(0), Le(65535)],
        host: str = "127.0.0.1",
        *,
        open_to_network: bool = False,
        ahead_MB: Annotated[float, Ge(0.001)] = 64.0,
    ) -> None:
        if not 0 <= port <= 65535:
            raise ValueError(f"port is {port}; it must be a number from 0 to 65535")
        host = host.strip("[]")
        if not is_local(host) and not open_to_network:
            raise ValueError(
                f"{host} could be reached by every machine of the network, without a password; leave host out, or say "
                "open_to_network: true if all of them may be trusted"
            )
        self._decoder = self.decoder()
        self._heartbeats = 0
        paths = {f"/v1/{request}": request for request in REQUESTS}
        self._intake = HttpIntake(host, port, paths, self._decoded, int(ahead_MB * 1e6))

    @property
    def address(self) -> str:
        """Where it is reached, once it is open with the port that was taken."""
        return self._intake.address

    @property
    def pollable(self) -> int | None:
        """A file descriptor."""
        return self._intake.pollable

    def open(self) -> None:
        """Begin to listen; see the base."""
        self._intake.open()
        _log.info("%s: Sardana may post to %s/v1/", self.stream, self.address)

    def close(self) -> None:
        """Listen no more."""
        self._intake.close()

    def read(self, now_ns: int) -> Reading:
        """Take what was posted; see the base."""
        messages, lost = self._intake.take(MAX_MESSAGES)
        heartbeats = self._decoder.heartbeats
        filtered, self._heartbeats = heartbeats - self._heartbeats, heartbeats
        return self.reading(messages, now_ns, unparsable=lost, filtered=filtered)

    def _decoded(self, request: str, body: bytes) -> Any:  # a message, or None
        return next(self._decoder.feed([body, request.encode()], time.time_ns()), None)

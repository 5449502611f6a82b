"""Bluesky: the documents of a RunEngine, subscribed."""

from msgspec.structs import replace

from penstock.elements.zmq_source import ZmqSource
from penstock.protocols.bluesky import BlueskyDecoder

__all__ = ["BlueskySource"]


class BlueskySource(ZmqSource):
    """Bluesky: the documents of a RunEngine over ZeroMQ; run start and stop are the bounds of a run.

    In a pipeline::

        sources:
          scan: {use: bluesky, connect: "tcp://127.0.0.1:5578"}

    At the RunEngine stands ``RE.subscribe(Publisher("localhost:5577"))``, with ``bluesky.callbacks.zmq.Publisher`` and
    any serializer of pickle, MessagePack or JSON, and between them runs ``bluesky-0MQ-proxy 5577 5578``. Pickles are
    read by a list of what they may hold. An event names what it is of: its ``stream``, ``run`` and ``descriptor``, and
    of data in files ``external``. What was published before this source came is not sent again; events whose
    descriptor is missing for that count as unparsable.

    Parameters
    ----------
    connect
        Address at which the proxy publishes, such as ``tcp://127.0.0.1:5578``.
    prefix
        By which several RunEngines behind one proxy are told apart: that of the one that is wanted.
    events
        Name of the stream whose events are given, mostly ``primary``; others, such as ``baseline``, are filtered.
        Empty: all events are given, without numbers, because each stream counts its own.
    connect_s
        How long it may take until the proxy is reached for the first time, in s; 0 waits for ever.
    ahead_MB
        How much may lie unread in this machine's memory, in MB; more is lost.

    Raises
    ------
    SourceError
        If the address cannot be one.
    ValueError
        If the prefix has a space.
    """

    decoder = BlueskyDecoder

    def __init__(
        self,
        connect: str,
        prefix: str = "",
        events: str = "primary",
        *,
        connect_s: float = 30.0,
        ahead_MB: float = 256.0,
    ) -> None:
        super().__init__(connect, connect_s=connect_s, ahead_MB=ahead_MB)
        if " " in prefix:
            raise ValueError(f'prefix is "{prefix}"; Bluesky allows no space in it')
        self._decoder = BlueskyDecoder(prefix, events)
        if not events:
            self.traits = replace(self.traits, number="", first=None)  # type: ignore[misc]  # of this one only

"""Items published on a ZeroMQ socket."""

from penstock.elements.zmq_item_sink import ZmqItemSink
from penstock.wire.item_encodings import WriteEncoding

__all__ = ["ZmqPubSink"]


class ZmqPubSink(ZmqItemSink):
    """Send each item to all who have subscribed, and wait for nobody; who is too slow misses items, and counts them.

    In a pipeline::

        sinks:
          alerts: {use: zmq-pub, from: combined, bind: "tcp://127.0.0.1:5557", topic: "alert.{detector}"}

    An item nobody has subscribed to is not lost:

    >>> from penstock.elements.sink import RunFacts
    >>> sink = ZmqPubSink(bind="tcp://127.0.0.1:0")
    >>> sink.open(RunFacts(pipeline="p", run="r"))
    >>> sink.write({"energy_keV": 6.4}); sink.close(ended_well=True)
    >>> sink.losses.total
    0

    Parameters
    ----------
    bind
        Address to be reached at, or a list; at port 0 any free one is taken.
    connect
        Address of a subscriber that binds, or a list.
    topic
        What subscribers choose by, with ``{field}`` for a field of the item.
    encoding
        ``penstock``: any value that may travel, as it is; ``json``, ``text`` or ``bytes``: a frame, or topic and frame,
        for any program.
    receivers
        How many subscriptions there must be before the first item is sent.
    linger_s
        How long it may take at the end of the run until all is sent, in s.
    open_to_network
        Whether ``bind`` may name an address that other machines can reach. Nobody is asked for a password there.
    ahead_MB
        How much may wait in memory for each subscriber, in MB; then it misses items.

    Raises
    ------
    ValueError
        If there is no address, or one of these is not as it should be.
    """

    def __init__(
        self,
        bind: str | list[str] | None = None,
        connect: str | list[str] | None = None,
        topic: str = "",
        encoding: WriteEncoding = "penstock",
        *,
        receivers: int = 0,
        linger_s: float = 2.0,
        open_to_network: bool = False,
        ahead_MB: float = 256.0,
    ) -> None:
        super().__init__(
            "pub",
            bind=bind,
            connect=connect,
            encoding=encoding,
            topic=topic,
            receivers=receivers,
            linger_s=linger_s,
            open_to_network=open_to_network,
            ahead_MB=ahead_MB,
        )

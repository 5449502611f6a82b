"""Items pushed to a ZeroMQ socket."""

from penstock.elements.zmq_item_sink import ZmqItemSink
from penstock.wire.item_encodings import WriteEncoding

__all__ = ["ZmqPushSink"]


class ZmqPushSink(ZmqItemSink):
    """Send each item to one of the receivers; while none takes any, the pipeline waits.

    In a pipeline::

        sinks:
          combiner: {use: zmq-push, from: series, connect: "tcp://127.0.0.1:5556"}

    What nobody takes is said at the end:

    >>> from penstock.elements.sink import RunFacts
    >>> sink = ZmqPushSink(connect="tcp://127.0.0.1:9", linger_s=0.1)
    >>> sink.open(RunFacts(pipeline="p", run="r"))
    >>> sink.write({"energy_keV": 6.4})
    >>> sink.close(ended_well=True)
    Traceback (most recent call last):
    ...
    penstock.errors.SinkError: tcp://127.0.0.1:9: 1 items were not taken within 0.1 s after the run: nobody was there to
    receive; start the receiver, or give it longer with linger_s

    Parameters
    ----------
    connect
        Address of a receiver, or a list of receivers that share the items.
    bind
        Address to be reached at by receivers that connect, or a list; at port 0 any free one is taken.
    encoding
        ``penstock``: any value that may travel, as it is; ``json``, ``text`` or ``bytes``: one frame an item, for any
        program.
    receivers
        How many must be there before the first item is sent.
    linger_s
        How long it may take at the end of the run until all is taken, in s.
    open_to_network
        Whether ``bind`` may name an address that other machines can reach. Nobody is asked for a password there.
    ahead_MB
        How much may wait in memory for each receiver, in MB. If a receiver dies, it may be lost.

    Raises
    ------
    ValueError
        If there is no address, or one of these is not as it should be.
    """

    def __init__(
        self,
        connect: str | list[str] | None = None,
        bind: str | list[str] | None = None,
        encoding: WriteEncoding = "penstock",
        *,
        receivers: int = 0,
        linger_s: float = 2.0,
        open_to_network: bool = False,
        ahead_MB: float = 256.0,
    ) -> None:
        super().__init__(
            "push",
            bind=bind,
            connect=connect,
            encoding=encoding,
            receivers=receivers,
            linger_s=linger_s,
            open_to_network=open_to_network,
            ahead_MB=ahead_MB,
        )

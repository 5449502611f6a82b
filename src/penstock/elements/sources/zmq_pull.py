"""Items that others push to a ZeroMQ socket."""

from penstock.elements.zmq_item_source import Ends, ZmqItemSource
from penstock.wire.item_encodings import ReadEncoding

__all__ = ["ZmqPullSource"]


class ZmqPullSource(ZmqItemSource):
    """Receive the items that any number of senders push; each comes to one receiver, and none is lost while both live.

    In a pipeline::

        sources:
          series: {use: zmq-pull, bind: "tcp://127.0.0.1:5556"}

    It gives lists of items, as many as lay ready:

    >>> import asyncio
    >>> from penstock.elements.sink import RunFacts
    >>> from penstock.elements.sinks.zmq_push import ZmqPushSink
    >>> async def received(source):
    ...     return [item async for chunk in source for item in chunk]
    >>> source = ZmqPullSource(bind="tcp://127.0.0.1:0", ends="first")
    >>> source.open()
    >>> sink = ZmqPushSink(connect=source.addresses)
    >>> sink.open(RunFacts(pipeline="p", run="r"))
    >>> sink.write({"energy_keV": 6.4}); sink.close(ended_well=True)
    >>> asyncio.run(received(source))
    [{'energy_keV': 6.4}]

    Parameters
    ----------
    bind
        Address to be reached at, or a list, such as ``tcp://127.0.0.1:5556``; at port 0 any free one is taken.
    connect
        Address of a sender that binds, or a list.
    encoding
        How senders write: ``penstock`` (any value that may travel, as it is), ``json``, ``text`` or ``bytes`` (one
        frame an item, from any program), or ``snap-pickle`` (pickles, of which only plain values are taken).
    ends
        ``never``; with the ``first`` sender whose run has ended; or when ``all`` of them have. If a sender's run did
        not finish, this one fails.
    senders
        How many there are, for ``ends: all``; by default as many as there are addresses to connect to.
    allow
        Dataclasses that pickles may hold, as ``module:Class``.
    open_to_network
        Whether ``bind`` may name an address that other machines can reach. Nobody is asked for a password there.
    ahead_MB
        How much may lie unread for each sender, in MB; then it is held back.

    Raises
    ------
    ValueError
        If there is no address, or one of these is not as it should be.
    """

    def __init__(
        self,
        bind: str | list[str] | None = None,
        connect: str | list[str] | None = None,
        encoding: ReadEncoding = "penstock",
        ends: Ends = "never",
        senders: int | None = None,
        allow: list[str] | None = None,
        *,
        open_to_network: bool = False,
        ahead_MB: float = 256.0,
    ) -> None:
        super().__init__(
            "pull",
            bind=bind,
            connect=connect,
            encoding=encoding,
            ends=ends,
            senders=senders,
            allow=allow or (),
            open_to_network=open_to_network,
            ahead_MB=ahead_MB,
        )

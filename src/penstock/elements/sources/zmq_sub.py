"""Items that others publish on a ZeroMQ socket."""

from penstock.elements.zmq_item_source import Ends, ZmqItemSource
from penstock.wire.item_encodings import ReadEncoding

__all__ = ["ZmqSubSource"]


class ZmqSubSource(ZmqItemSource):
    """Receive what is published from now on; what this reader is too slow for is lost, and counted.

    In a pipeline::

        sources:
          alerts: {use: zmq-sub, connect: "tcp://127.0.0.1:5557", topics: [alert., status.]}

    It gives lists of items, as many as lay ready:

    >>> import asyncio
    >>> from penstock.elements.sink import RunFacts
    >>> from penstock.elements.sinks.zmq_pub import ZmqPubSink
    >>> async def received(source):
    ...     return [item async for chunk in source for item in chunk]
    >>> sink = ZmqPubSink(bind="tcp://127.0.0.1:0", topic="alert.{detector}", receivers=1)
    >>> sink.open(RunFacts(pipeline="p", run="r"))
    >>> source = ZmqSubSource(connect=sink.addresses, topics="alert.", ends="first", with_topic=True)
    >>> source.open()
    >>> sink.write({"detector": "IceCube"}); sink.close(ended_well=True)
    >>> asyncio.run(received(source))
    [('alert.IceCube', {'detector': 'IceCube'})]

    Parameters
    ----------
    connect
        Address of a publisher, or a list.
    bind
        Address to be reached at by publishers that connect, or a list; at port 0 any free one is taken.
    topics
        What topics begin with, a text or a list; by default all are wanted.
    encoding
        How publishers write: ``penstock`` (any value that may travel, as it is), or ``json``, ``text`` or ``bytes``
        (a frame, or a topic and a frame, from any program), or ``snap-pickle`` (pickles, of which only plain values are
        taken).
    ends
        ``never``; with the ``first`` publisher whose run has ended; or when ``all`` of them have. If a publisher's run
        did not finish, this one fails.
    senders
        How many there are, for ``ends: all``; by default as many as there are addresses to connect to.
    allow
        Dataclasses that pickles may hold, as ``module:Class``.
    with_topic
        Whether an item is a pair of its topic and what was published.
    open_to_network
        Whether ``bind`` may name an address that other machines can reach. Nobody is asked for a password there.
    ahead_MB
        How much may lie unread for each publisher, in MB; what comes then is lost.

    Raises
    ------
    ValueError
        If there is no address, or one of these is not as it should be.
    """

    def __init__(
        self,
        connect: str | list[str] | None = None,
        bind: str | list[str] | None = None,
        topics: str | list[str] | None = None,
        encoding: ReadEncoding = "penstock",
        ends: Ends = "never",
        senders: int | None = None,
        allow: list[str] | None = None,
        *,
        with_topic: bool = False,
        open_to_network: bool = False,
        ahead_MB: float = 256.0,
    ) -> None:
        super().__init__(
            "sub",
            bind=bind,
            connect=connect,
            topics=topics,
            encoding=encoding,
            ends=ends,
            senders=senders,
            allow=allow or (),
            with_topic=with_topic,
            open_to_network=open_to_network,
            ahead_MB=ahead_MB,
        )

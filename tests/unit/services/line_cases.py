"""What the tests of a process's way share: the other end of it, and a pool whose blocks are spoken of."""

from collections.abc import Sequence

from penstock.services.line import Line
from penstock.transport.pool import Pool
from penstock.transport.seqpacket import Link
from penstock.wire.descriptors import BlockDescriptor, describe_block
from penstock.wire.envelopes import Envelope, PoolMade, seal
from penstock.wire.layout import pack_block
from penstock.wire.slots import PlacedBlock, Slot
from tests.unit.services.custody_cases import plain_block


class Builder:
    """The other end, in the hands of the test, with one pool of somebody's."""

    def __init__(self) -> None:
        near, self.link = Link.pair()
        self.line = Line(near)
        self.pool = Pool.create("detector", 2, 1 << 14)

    def say(self, *envelopes: Envelope, fds: Sequence[int] = ()) -> None:
        self.link.send(seal(envelopes), fds)

    def tell_pool(self) -> None:
        handle = self.pool.handle
        self.say(PoolMade(handle.name, 1, handle.slots, handle.slot_bytes), fds=[self.pool.fd])
        self.line.look()

    def put(self, slot: int = 0) -> BlockDescriptor:
        """Write a block of four messages, and return how it is described."""
        packed = pack_block(plain_block(4))
        packed.write(self.pool.writable(slot))
        return describe_block("detector", PlacedBlock(Slot("detector", 1, slot), packed.layout))

    def close(self) -> None:
        self.line.close()
        self.link.close()
        self.pool.close()

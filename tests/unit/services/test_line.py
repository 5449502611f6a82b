"""One process's end of the way to the event builder."""

from penstock.services.line import Line
from penstock.transport.seqpacket import Link
from penstock.wire.envelopes import Drop, Save, Stop, seal


def test_who_waits_is_let_go_also_by_what_is_seen_to_here() -> None:
    # A reducer that is told to drop pieces, and nothing else, still has to publish before it waits again.
    near, far = Link.pair()
    with far:
        line = Line(near)
        far.send(seal([Drop((1,))]))
        assert line.next() is None
        far.send(seal([Save(), Stop()]))
        assert (line.next(), line.next()) == (Save(), Stop())
        line.close()

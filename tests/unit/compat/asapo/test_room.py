"""Memory for payloads goes round: whoever waits gets some as soon as there is, whatever others announce."""

from hypothesis import given
from hypothesis import strategies as st

from penstock.compat.asapo.room import GIANT_BYTES, GIANTS_SHARE, SMALL_BYTES, Room

MOST = 4 * GIANT_BYTES


class Peer:
    is_closed = False


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 2 * MOST)), max_size=60))
def test_what_is_given_is_bounded_and_everybody_comes_in_turn(steps: list[tuple[int, int]]) -> None:
    """Peers ask for memory, give back what they have, or go, in any order."""
    room, peers = Room[Peer](MOST), [Peer() for _ in range(8)]
    has: dict[Peer, int] = {}
    wants: dict[Peer, int] = {}

    def give_back(peer: Peer) -> None:
        for one in room.give_back(has.pop(peer)):
            has[one] = wants.pop(one)

    for number, nbytes in steps:
        peer = peers[number]
        if peer in has:
            give_back(peer)
        elif peer in wants:
            peer.is_closed = True
            wants.pop(peer)
            peers[number] = Peer()
        elif room.take(peer, nbytes):
            has[peer] = nbytes
        else:
            wants[peer] = nbytes
        giants = [nbytes for nbytes in has.values() if nbytes > GIANT_BYTES]
        others = [nbytes for nbytes in has.values() if SMALL_BYTES < nbytes <= GIANT_BYTES]
        assert len(giants) <= 1 or sum(giants) <= MOST * GIANTS_SHARE
        assert len(others) <= 1 or sum(others) + sum(giants) <= max(MOST, max(giants, default=0) + GIANT_BYTES)
        assert not any(nbytes <= SMALL_BYTES for nbytes in wants.values())
    while has:
        give_back(next(iter(has)))
    assert not wants

"""The event builder's end of the way to its supervisor: words with descriptors, and the end of it."""

import os
from collections.abc import Iterator

import pytest

from penstock.services.supervisor_line import SupervisorLine
from penstock.transport.seqpacket import Link
from penstock.wire import supervision as say


@pytest.fixture
def line() -> Iterator[tuple[Link, SupervisorLine]]:
    near, far = Link.pair()
    found = SupervisorLine(os.dup(far.fileno()))
    far.close()
    yield near, found
    found.close()
    near.close()


def test_words_come_in_order_and_take_the_descriptors_beside(line: tuple[Link, SupervisorLine]) -> None:
    near, far = line
    here, there = os.pipe()
    near.send(say.seal_orders([say.Enter("fit-0", "fit", "map"), say.Go()]), [here])
    near.send(say.seal_orders([say.Asked(3)]))
    heard = []

    def do(word: object, fds: list[int]) -> None:
        heard.append(word)
        if isinstance(word, say.Enter):
            os.close(fds.pop(0))
        assert fds == []

    far.hear(do)
    os.close(here)
    os.close(there)
    assert heard == [say.Enter("fit-0", "fit", "map"), say.Go(), say.Asked(3)]
    assert not far.has_gone


def test_what_is_told_comes_together(line: tuple[Link, SupervisorLine]) -> None:
    near, far = line
    far.tell(say.Entered("fit-0"), say.Kill("fit-0", "it hangs"))
    received = near.try_receive()
    assert received is not None
    assert say.open_orders(received.data) == [say.Entered("fit-0"), say.Kill("fit-0", "it hangs")]


@pytest.mark.parametrize("by", ["hearing", "telling"])
def test_it_is_known_when_the_supervisor_has_gone(line: tuple[Link, SupervisorLine], by: str) -> None:
    near, far = line
    near.close()
    if by == "hearing":
        far.hear(lambda word, fds: pytest.fail("nothing was said"))
    else:
        far.tell(say.Entered("fit-0"))
    assert far.has_gone

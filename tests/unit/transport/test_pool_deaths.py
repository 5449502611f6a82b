"""Pools between processes: whoever is killed, nothing of the others is lost and nothing is left behind."""

import os
from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
import pytest

from penstock.transport.pool import Pool, PoolHandle
from penstock.transport.seqpacket import Link
from tests.unit.transport.forks import forked, holders, kill

SLOT = 1 << 20


def _name(request: pytest.FixtureRequest) -> str:
    """Return a name that no other test's pool has, so that its memory can be looked for."""
    return f"{request.node.name[:100]}-{os.getpid()}"


def _write(name: str, mine: Link, others: Link, go_on: Callable[[Pool], object]) -> None:
    """Be a writer: make a pool, fill slot k with k + 1, send its descriptor."""
    others.close()
    pool = Pool.create(name, 3, SLOT)
    for slot in range(3):
        pool.writable(slot)[:] = slot + 1
    mine.send(name.encode(), [pool.fd])
    go_on(pool)


def _attach(link: Link, name: str) -> Pool:
    received = link.receive()
    assert received is not None
    (fd,) = received.fds
    return Pool.attach(PoolHandle(name, 1, 3, SLOT), fd)


def _wait_for_ever(link: Link) -> Callable[[Pool], object]:
    return lambda pool: link.receive()


def test_a_killed_reader_frees_nothing_of_the_writers_and_leaves_nothing(request: pytest.FixtureRequest) -> None:
    name = _name(request)
    with Pool.create(name, 3, SLOT) as pool:
        pool.writable(1)[:] = 7
        ours, theirs = Link.pair()

        def read() -> None:
            ours.close()
            attached = Pool.attach(pool.handle, os.dup(pool.fd))
            view = attached.bytes(1, SLOT)
            theirs.send(bytes([int(view[-1])]))
            theirs.receive()

        with ours, forked(read) as pid:
            theirs.close()
            received = ours.receive()
            assert received is not None
            assert received.data == b"\7"
            assert holders(name) == {os.getpid(), pid}
            kill(pid)
            assert ours.receive() is None
        assert holders(name) == {os.getpid()}
        assert int(pool.bytes(1, SLOT).min()) == 7
        pool.writable(1)[:] = 8
        assert int(pool.bytes(1, SLOT).max()) == 8
    assert holders(name) == set()


def test_a_killed_writers_slots_can_be_read_to_the_end(request: pytest.FixtureRequest) -> None:
    name = _name(request)
    ours, theirs = Link.pair()
    with ours, forked(lambda: _write(name, theirs, ours, _wait_for_ever(theirs))) as pid:
        theirs.close()
        pool = _attach(ours, name)
        kill(pid)
        assert ours.receive() is None
        assert [int(pool.bytes(slot, SLOT).sum(dtype=np.int64)) for slot in range(3)] == [SLOT, 2 * SLOT, 3 * SLOT]
        assert holders(name) == {os.getpid()}
        view = pool.bytes(2, SLOT)
        pool.close()
        assert holders(name) == {os.getpid()}  # for the view
        assert int(view.min()) == 3
        del view
        assert holders(name) == set()


def test_memory_is_freed_when_the_last_of_several_holders_dies(request: pytest.FixtureRequest) -> None:
    name = _name(request)
    with ExitStack() as stack:
        ours, theirs = Link.pair()
        stack.enter_context(ours)
        writer = stack.enter_context(forked(lambda: _write(name, theirs, ours, _wait_for_ever(theirs))))
        theirs.close()
        received = ours.receive()
        assert received is not None
        (fd,) = received.fds
        handle = PoolHandle(name, 1, 3, SLOT)
        pids, links = [writer], []
        for _ in range(2):
            here, there = Link.pair()

            def read(here: Link = here, there: Link = there) -> None:
                here.close()
                ours.close()
                attached = Pool.attach(handle, fd)
                view = attached.bytes(2, SLOT)
                attached.close()
                there.send(view[:1].tobytes())
                there.receive()

            pids.append(stack.enter_context(forked(read)))
            there.close()
            links.append(stack.enter_context(here))
        assert [link.receive() for link in links] == [(b"\3", ()), (b"\3", ())]
        os.close(fd)
        assert holders(name) == set(pids)
        for k, pid in enumerate(pids):
            kill(pid)
            assert holders(name) == set(pids[k + 1 :])


def test_a_descriptor_on_its_way_keeps_the_memory_until_its_receiver_dies(request: pytest.FixtureRequest) -> None:
    name = _name(request)
    ours, theirs = Link.pair()
    with ours, forked(lambda: _write(name, theirs, ours, lambda pool: None)) as pid:
        theirs.close()
        os.waitpid(pid, 0)  # the writer is gone, its descriptor lies unread
        pool = _attach(ours, name)
        assert ours.receive() is None
    with pool:
        assert int(pool.bytes(0, SLOT).sum(dtype=np.int64)) == SLOT
        assert holders(name) == {os.getpid()}
    assert holders(name) == set()


def test_a_writers_successor_has_other_memory(request: pytest.FixtureRequest) -> None:
    name = _name(request)
    ours, theirs = Link.pair()

    def hang_then_write() -> None:
        _write(name, theirs, ours, overwrite)

    def overwrite(pool: Pool) -> None:
        theirs.receive()  # hung, until the successor is at work
        pool.writable(0)[:] = 99
        theirs.send(b"done")

    with ours, forked(hang_then_write):
        theirs.close()
        old = _attach(ours, name)
        with Pool.create(name, 3, SLOT, generation=2) as new, old:
            new.writable(0)[:] = 42
            ours.send(b"wake up")
            assert ours.receive() == (b"done", ())
            assert int(old.bytes(0, 1)[0]) == 99
            assert int(new.bytes(0, SLOT).min()) == int(new.bytes(0, SLOT).max()) == 42

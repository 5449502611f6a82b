"""The pools of a reader: generations side by side, and what is refused."""

import os

import pytest

from penstock.errors import RemoteProtocolError
from penstock.transport.pool import Pool
from penstock.transport.pools import Pools


def _pools(*generations: int) -> Pools:
    pools = Pools()
    for generation in generations:
        pool = Pool.create("image", 2, 4096, generation=generation)
        pool.writable(0)[:] = generation
        pools.add(pool)
    return pools


def test_generations_are_found_side_by_side() -> None:
    pools = _pools(1, 2)
    assert [int(pools.bytes("image", generation, 0, 1)[0]) for generation in (1, 2)] == [1, 2]
    assert len(pools) == 2
    assert pools.nbytes == 4 * 4096
    pools.close()
    assert len(pools) == 0


def test_a_retired_generation_is_refused_and_its_views_stay() -> None:
    pools = _pools(1, 2)
    view = pools.bytes("image", 1, 0, 10)
    pools.retire("image", 1)
    assert view.tolist() == [1] * 10
    with pytest.raises(RemoteProtocolError, match=r"no pool image, generation 1, here; generations known: \[2\]"):
        pools.bytes("image", 1, 0, 1)
    with pytest.raises(RemoteProtocolError, match="no pool image"):
        pools.retire("image", 1)
    pools.close()


def test_another_processes_pool_is_attached_once() -> None:
    with Pool.create("image", 1, 1) as writer:
        pools = Pools()
        attached = pools.attach(writer.handle, os.dup(writer.fd))
        assert list(pools) == [attached]
        assert not attached.is_writer
        with pytest.raises(RemoteProtocolError, match="image, generation 1, is here already"):
            pools.attach(writer.handle, os.dup(writer.fd))
        pools.close()

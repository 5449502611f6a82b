"""The other process of the suite does what it is told, and says what went wrong."""

from penstock.core.stream_address import StreamAddress
from penstock.testing.store_process import StoreProcess

ADDRESS = StreamAddress("b", "s", "a/b")
MEMORY = ("penstock.streams.memory_store:MemoryStore",)


def test_it_writes_reads_waits_and_ends() -> None:
    with StoreProcess(MEMORY) as other:
        assert other.do("append", ADDRESS, ids=[3, 4]) == 2
        assert other.do("append", ADDRESS, ids=[1]) == 3
        assert other.do("append", ADDRESS, ids=[4]) == {"error": "ConflictError"}
        assert other.do("arrived", ADDRESS) == [3, 4, 1]
        assert other.do("wait", ADDRESS, position=2) is True
        other.do("close", ADDRESS)
        assert other.do("append", ADDRESS, ids=[9]) == 4
        other.do("finish", ADDRESS)
        assert other.do("append", ADDRESS, ids=[10]) == {"error": "StateError"}
        assert other.do("wait", ADDRESS, position=99) is True


def test_it_can_be_killed() -> None:
    with StoreProcess(MEMORY) as other:
        other.do("append", ADDRESS, ids=[1])
        assert other.pid > 0
        other.kill()
